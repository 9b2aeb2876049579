# The study as a DAG: data -> train (one job per pack) -> aggregate -> report; a study of times: time -> aggregate.
# What is to be run stands in config.yaml; `bnstudy.workflow.dag` turns it into packs and paths.
# `snakemake demo` trains and reports the study `demo`; `bnstudy run` is the same with a check before and a summary after.
from snakemake.utils import min_version

from bnstudy import datasets, extend
from bnstudy.workflow.dag import Dag, beside, device, find_commands, looks_only

min_version("9.20")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


find_commands()
extend.load()  # those that BNSTUDY_EXTENSIONS names
PLAN = Dag.plan(workflow.configfiles[0], config)
if workflow.is_main_process:  # not in a job on another machine, which may see the files of others late
    PLAN.report_gaps() if looks_only(workflow) else PLAN.clear_gaps()


wildcard_constraints:
    pack="[0-9a-f]{12}",
    timing="[0-9a-f]{12}",
    study="[a-z][a-z0-9_]*",
    dataset="|".join(datasets.REGISTRY),


include: beside(workflow, "workflow/rules/data.smk")
include: beside(workflow, "workflow/rules/train.smk")
include: beside(workflow, "workflow/rules/timing.smk")
include: beside(workflow, "workflow/rules/aggregate.smk")
include: beside(workflow, "workflow/rules/report.smk")


for study in PLAN.studies:

    rule:
        name:
            study
        default_target: study == PLAN.default
        input:
            PLAN.reports / study / "index.html",
            PLAN.inputs(study),
            expand(rules.aggregate.output, study=study),  # a job that fails has its outputs deleted, these too
