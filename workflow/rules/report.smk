# Tables, figures and the page of a study, from its frames alone.


rule report:
    input:
        frames=rules.aggregate.output,
        config=PLAN.config_of_page,
    output:
        page=report(
            PLAN.reports / "{study}" / "index.html",
            caption="../report/page.rst",
            category="{study}",
            labels={"what": "page", "shows": "everything, with figures beside it"},
        ),
        claims=report(
            PLAN.reports / "{study}" / "claims.csv",
            caption="../report/claims.rst",
            category="{study}",
            labels={"what": "claims", "shows": "the verdict on each claim"},
        ),
        # figures are not declared: Snakemake would delete them before each job, and all would be drawn again
        tables=[
            report(
                PLAN.reports / "{study}" / "tables" / f"{stem}.csv",
                caption="../report/table.rst",
                category="{study}",
                labels={"what": f"table {title}", "shows": shows},
            )
            for stem, title, shows in [
                ("b1", "B.1", "MLP test accuracy"),
                ("b2", "B.2", "CNN test accuracy"),
                ("b3", "B.3", "MLP seconds per epoch"),
                ("b4", "B.4", "CNN seconds per epoch"),
            ]
        ],
    log:
        PLAN.results / "logs" / "report" / "{study}.log",
    resources:
        mem_mb=4000,  # 1,500 for the 684 records of the thesis
        runtime=60,
    params:
        config=PLAN.config_file,
        seeds=PLAN.seeds,
    shell:
        "bnstudy report --study {wildcards.study} --seeds {params.seeds} --config {params.config:q} > {log:q} 2>&1"
