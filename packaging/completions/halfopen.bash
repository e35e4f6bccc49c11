# Completion of halfopen for bash: the program itself says what can follow.
_halfopen() {
	local line word=${COMP_WORDS[COMP_CWORD]}
	COMPREPLY=()
	while IFS= read -r line; do
		if [[ $line == :files ]]; then
			compopt -o default
			return
		fi
		line=${line%%$'\t'*}
		# The name is somebody else's choice, and the shell does not quote what is inserted here.
		case $word in
		\'*) line=${line//\'/\'\\\'\'} ;;
		\"*)
			[[ $line != *!* ]] || continue
			line=${line//\\/\\\\} line=${line//\"/\\\"} line=${line//\$/\\\$} line=${line//\`/\\\`}
			;;
		*) printf -v line %q "$line" ;;
		esac
		COMPREPLY+=("$line")
	done < <(command halfopen complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}
complete -F _halfopen halfopen
