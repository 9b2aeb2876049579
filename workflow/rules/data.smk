# A data set that cannot be had is noted, not an error: the rest of the study runs.
# It is fetched where the command was typed: machines of a cluster often reach no network.


rule data:
    output:
        PLAN.results / "data" / "{dataset}.json",
    log:
        PLAN.results / "logs" / "data" / "{dataset}.log",
    localrule: True
    shell:
        "bnstudy data fetch {wildcards.dataset} --note {output:q} > {log:q} 2>&1"
