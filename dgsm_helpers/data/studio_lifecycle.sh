#!/bin/sh
# Lifecycle configuration for JupyterLab spaces of SageMaker Studio, printed by `dgsm studio lifecycle`.
# Keeps the kernel "Deepgram (dgsm)" ready. A space must start whatever happens here: the work is done in the
# background, what it says is in ~/.dgsm/studio.log, and this always ends with 0. Without a network the kernel stays
# as it was.
project="$HOME"/@project@
log="$HOME/.dgsm/studio.log"
PATH="$PATH:/opt/conda/bin"
mkdir -p "$HOME/.dgsm" || exit 0
(
    date
    if [ -f "$project/pyproject.toml" ]; then
        cd "$project" && timeout 1800 python -m dgsm_helpers.cli.main studio setup
        echo "ended with $?"
    else
        echo "There is no clone in $project: clone the repository there, or run its 'dgsm studio lifecycle' again."
    fi
) >"$log" 2>&1 </dev/null &
exit 0
