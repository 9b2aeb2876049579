# A data set that cannot be had is noted, not an error: the rest of the study runs.


rule data:
    output:
        PLAN.results / "data" / "{dataset}.json",
    log:
        PLAN.results / "logs" / "data" / "{dataset}.log",
    shell:
        "bnstudy data fetch {wildcards.dataset} --note {output:q} > {log:q} 2>&1"
