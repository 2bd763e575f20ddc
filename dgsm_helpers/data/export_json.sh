# The text as it stands between the quotes of JSON.
json() {
    printf '%s\n' "$1" | sed 's/[\\"]/\\&/g' | LC_ALL=C awk '{
        for (code = 1; code < 32; code++) {
            control = sprintf("%c", code); done = ""
            while ((at = index($0, control)) > 0) {
                done = done substr($0, 1, at - 1) sprintf("\\u%04x", code); $0 = substr($0, at + 1)
            }
            $0 = done $0
        }
        printf "%s%s", (NR > 1 ? "\\n" : ""), $0
    }'
}
