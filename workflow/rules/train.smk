# One process trains a pack of runs; a run whose record stands costs nothing.


rule train:
    input:
        PLAN.data_state,
    output:
        PLAN.results / "packs" / "{pack}.json",
    log:
        PLAN.results / "logs" / "train" / "{pack}.log",
    threads: 1
    resources:
        gpu=PLAN.gpus,
        mem_mb=6000,  # over twice what was measured on a CPU (docs/guide/cluster.md); on a GPU it was not measured
        runtime=240,  # minutes; a pack that needs longer goes on from its checkpoints when it is tried again
    params:
        config=workflow.configfiles[0],
        device=lambda wildcards, resources: device(resources, workflow.remote_exec),
        runs=PLAN.run_ids,
    shell:
        "bnstudy train {params.runs:q} --config {params.config:q} --device {params.device} --wait "
        "--manifest {output:q} > {log:q} 2>&1"


# Single cells of the config, named on the command line: snakemake cell --config cell=NAME
rule cell:
    input:
        PLAN.cell,
