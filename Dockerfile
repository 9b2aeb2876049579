# A container for every command of bnstudy, on a CPU or, with `--build-arg CPU=`, with CUDA libraries.
#
#     docker build --tag bnstudy .
#     docker run --rm --volume "$PWD:/work" --user "$(id -u):$(id -g)" bnstudy                  # the study demo
#     apptainer build bnstudy.sif docker-daemon:bnstudy:latest && apptainer run bnstudy.sif     # the same
#
# It works in the folder that is mounted at /work: results/ and reports/ go there. In a checkout it finds config.yaml and
# the published records.
FROM python:3.11-slim-bookworm

ARG CPU=1

# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 bnstudy \
 && mkdir /work /opt/bnstudy \
 && chown bnstudy /work /opt/bnstudy \
 && git config --system --add safe.directory /opt/bnstudy

USER 1000
WORKDIR /opt/bnstudy
COPY --chown=bnstudy . .
RUN make setup CPU="$CPU" && rm -rf "$HOME/.cache"

ENV PATH=/opt/bnstudy/.venv/bin:$PATH OMP_NUM_THREADS=1
WORKDIR /work
ENTRYPOINT ["bnstudy"]
CMD ["run", "--study", "demo"]
