# Completion of halfopen for fish: the program itself says what can follow.
function __halfopen_complete
    set -l before (commandline -opc)
    set -l offered (command halfopen complete -- $before[2..-1] (commandline -ct) 2>/dev/null)
    if test "$offered" = :files
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $offered
    end
end
complete -c halfopen -f -a '(__halfopen_complete)'
