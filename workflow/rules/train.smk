# One process trains a pack of runs; a run whose record stands costs nothing.


rule train:
    input:
        ancient(PLAN.data_state),
    output:
        PLAN.results / "packs" / "{pack}.json",
    log:
        PLAN.results / "logs" / "train" / "{pack}.log",
    params:
        config=workflow.configfiles[-1],
        runs=PLAN.run_ids,
    threads: 1
    shell:
        "bnstudy train {params.runs:q} --config {params.config:q} --wait --manifest {output:q} > {log:q} 2>&1"
