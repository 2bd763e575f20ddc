# Initialisation script of a SageMaker notebook job, made by `dgsm studio job`. The job's container sources it in the
# folder of its inputs, under `set -e`, before the notebook runs. It makes the project the container's kernel, whether
# the notebook names "dgsm" or "python3"; nothing of the image moves.
dgsm_wheel="$PWD"/@wheel@
[ -f "$dgsm_wheel" ] || {
    echo "$dgsm_wheel is missing: tick 'Run job with input folder', and run 'dgsm studio job' before." >&2
    false
}
PYTHONPATH="$dgsm_wheel" python -m dgsm_helpers.cli.main studio setup
export JUPYTER_PATH="${DGSM_HOME:-$HOME/.dgsm}/kernel/share/jupyter${JUPYTER_PATH:+:$JUPYTER_PATH}"
