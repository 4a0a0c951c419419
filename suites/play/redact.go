package play

import "strings"

// redact keeps parameter values that look like a secret out of the arguments that evidence shows.
func redact(args []string) []string {
	out := make([]string, 0, len(args))
	for _, arg := range args {
		name, _, assigned := strings.Cut(arg, "=")
		lower := strings.ToLower(name)
		for _, word := range []string{"password", "secret", "token", "credential"} {
			if assigned && strings.Contains(lower, word) {
				arg = name + "=(redacted)"
			}
		}
		out = append(out, arg)
	}
	return out
}
