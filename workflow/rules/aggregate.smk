# All records of a study, whoever trained them, as tidy frames.


rule aggregate:
    input:
        PLAN.manifests,
    output:
        runs=PLAN.results / "frames" / "{study}" / "runs.parquet",
        epochs=PLAN.results / "frames" / "{study}" / "epochs.parquet",
        layers=PLAN.results / "frames" / "{study}" / "layers.parquet",
        early=PLAN.results / "frames" / "{study}" / "early.parquet",
        confusion=PLAN.results / "frames" / "{study}" / "confusion.parquet",
        missing=PLAN.results / "frames" / "{study}" / "missing.parquet",
        timings=PLAN.results / "frames" / "{study}" / "timings.parquet",
        digests=PLAN.results / "frames" / "{study}" / "digests.json",
    log:
        PLAN.results / "logs" / "aggregate" / "{study}.log",
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=workflow.configfiles[0],
        seeds=PLAN.seeds,
    shell:
        "bnstudy aggregate --study {wildcards.study} --seeds {params.seeds} --config {params.config:q} > {log:q} 2>&1"
