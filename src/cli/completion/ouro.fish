# fish completion for ouro: asks `ouro __complete` what may stand at the cursor.
function __ouro_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct | string unescape)
  for line in ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
    switch $line
      case :files
        __fish_complete_path "$current"
      case :folders
        __fish_complete_directories "$current" ''
      case :commands
        __fish_complete_command
      case '*'
        echo $line
    end
  end
end
complete -c ouro -f -a '(__ouro_complete)'
