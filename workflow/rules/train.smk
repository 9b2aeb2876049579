# One process trains a pack of runs; a run whose record stands costs nothing.


rule train:
    input:
        ancient(PLAN.data_state),
    output:
        PLAN.results / "packs" / "{pack}.json",
    log:
        PLAN.results / "logs" / "train" / "{pack}.log",
    threads: 1
    params:
        config=workflow.configfiles[0],
        runs=PLAN.run_ids,
    shell:
        "bnstudy train {params.runs:q} --config {params.config:q} --wait --manifest {output:q} > {log:q} 2>&1"
