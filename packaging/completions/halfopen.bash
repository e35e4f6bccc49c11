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
		# Inside of quotes the shell puts back what it needs.
		[[ $word == [\"\']* ]] || printf -v line %q "$line"
		COMPREPLY+=("$line")
	done < <(command halfopen complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}
complete -F _halfopen halfopen
