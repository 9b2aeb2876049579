# One timing alone on the machine: it takes every core, so nothing runs beside it.
# On a busy machine its manifest names no record: the rest of the study runs, and the next call times again.


rule time:
    output:
        PLAN.results / "timed" / "{timing}.json",
    log:
        PLAN.results / "logs" / "time" / "{timing}.log",
    threads: workflow.resource_settings.cores or 1  # none are given for `--report`
    resources:
        timing=1,
        gpu=PLAN.gpus,
        mem_mb=6000,
        runtime=240,
    params:
        config=workflow.configfiles[0],
        cells=PLAN.timed_cells,
        device=lambda wildcards, resources: device(resources, workflow.remote_exec),
    shell:
        "bnstudy bench time {params.cells:q} --device {params.device} --config {params.config:q} "
        "--job > {log:q} 2>&1"
