# Shells complete ouro's command lines by asking it: commands, options, events and names of running programs, files.
source "$OURO_SOURCE/tests/e2e/lib.sh"

ln -s "$OURO_BIN" "$folder/ouro"
PATH=$folder:$PATH
cd "$folder"
mkdir a-trace
touch a-trace/metadata a-file

mkfifo control answers
"$programs/comes_and_goes" none <control >answers &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
exec 8>control 9<answers
echo ready >&8
read -r -t 20 _ <&9

# Line, and the candidates it has in all shells; what bash replaces begins behind a ':' or '='.
cases() {
  cat <<END
ouro recor|record|record
ouro snap|snapshot|snapshot
ouro completion z|zsh|zsh
ouro record --over|--overwrite|--overwrite
ouro record --clock=mono|monotonic|--clock=monotonic
ouro record -e com|comes:step|comes:step
ouro record -e comes:s|step|comes:step
ouro list comes|comes_and_goes|comes_and_goes
ouro list $program|$program|$program
ouro print a-tr|a-trace|a-trace
ouro list a-fi|a-file|a-file
ouro stats nothing-|
END
}

echo "bash"
complete_bash() {  # complete_bash LINE: what bash would insert
  bash -c '
    source <(ouro completion bash)
    COMP_LINE=$1 COMP_POINT=${#1}
    # As bash breaks words.
    read -ra words <<<"$(sed "s/[:=]/ & /g" <<<"$1")"
    COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
    _ouro ouro
    printf "%s\n" "${COMPREPLY[@]}"
  ' bash "$1"
}
while IFS='|' read -r line wanted _; do expect_equal "bash: $line" "$(complete_bash "$line")" "$wanted"; done < <(cases)
expect_equal "what bash is told to call" "$(bash -c 'source <(ouro completion bash); complete -p ouro')" "complete -F _ouro ouro"

if command -v fish >/dev/null; then
  echo "fish"
  export XDG_CONFIG_HOME=$folder XDG_DATA_HOME=$folder HOME=$folder
  while IFS='|' read -r line _ wanted; do
    seen=$(fish --no-config -c 'ouro completion fish | source; complete -C "$argv[1]"' "$line" | cut -f 1 | sed 's:/$::')
    expect_equal "fish: $line" "$seen" "$wanted"
  done < <(cases)
fi

if command -v zsh >/dev/null; then
  echo "zsh"
  # What the script hands to zsh's own functions; those need a terminal.
  while IFS='|' read -r line _ wanted; do
    seen=$(zsh -f -c '
      compdef() { :; }
      _describe() { for one in ${(P)4}; do one=${one//\\:/%}; one=${one%%:*}; print -r -- ${one//\%/:}; done }
      _files() { [[ ${1-} == -/ ]] && print -rl -- $PREFIX*(N/) || print -rl -- $PREFIX*(N) }
      source <(ouro completion zsh)
      words=(${(z)1}) CURRENT=$#words PREFIX=$words[-1]
      _ouro || true' zsh "$line" | sed '/^$/d')
    expect_equal "zsh: $line" "$seen" "$wanted"
  done < <(cases)
fi

# Installed, they are where the shells look for them.
cmake --install "$OURO_BUILD" --prefix "$folder/prefix" >/dev/null
for shell in bash zsh fish; do
  file=$(find "$folder/prefix" -path "*$shell*" -type f \( -name ouro -o -name _ouro -o -name ouro.fish \))
  diff "$file" <(ouro completion $shell) || fail "installed for $shell: '$file'"
done
echo end >&8
