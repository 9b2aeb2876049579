# Tables, figures and the page of a study, from its frames alone.


rule report:
    input:
        rules.aggregate.output,
    output:
        report(
            PLAN.reports / "{study}" / "index.html",
            caption="../report/page.rst",
            category="{study}",
        ),
    log:
        PLAN.results / "logs" / "report" / "{study}.log",
    params:
        config=workflow.configfiles[0],
        seeds=PLAN.seeds,
    shell:
        "bnstudy report --study {wildcards.study} --seeds {params.seeds} --config {params.config:q} > {log:q} 2>&1"
