#compdef ouro
# zsh completion for ouro: asks `ouro __complete` what may stand at the cursor.
_ouro() {
  local line candidate
  integer ret=1
  local -a candidates
  for line in "${(@f)$($words[1] __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :files) _files && ret=0 ;;
      :folders) _files -/ && ret=0 ;;
      :commands) { _command_names -e || _files } && ret=0 ;;
      *)
        candidate=${line%%$'\t'*}
        candidates+=("${candidate//:/\\:}${${line#$candidate}/#$'\t'/:}")
        ;;
    esac
  done
  (( $#candidates )) && _describe -t ouro 'ouro' candidates && ret=0
  return ret
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _ouro "$@"
else
  compdef _ouro ouro
fi
