# bash completion for ouro: asks `ouro __complete` what may stand at the cursor.
_ouro() {
  local ouro=${1/#\~/$HOME} cur=${COMP_WORDS[COMP_CWORD]} candidate what
  [[ $cur == [:=] ]] && cur=
  COMPREPLY=()
  while IFS=$'\t' read -r candidate what; do
    case $candidate in
      :files) compopt -o filenames 2>/dev/null; mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur") ;;
      :folders) compopt -o filenames 2>/dev/null; mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$cur") ;;
      :commands) compopt -o filenames 2>/dev/null; mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -c -- "$cur") ;;
      *) COMPREPLY+=("$candidate") ;;
    esac
  done < <("$ouro" __complete --line "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}
complete -F _ouro ouro
