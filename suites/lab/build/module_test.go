package build

import (
	"strings"
	"testing"
)

func TestAModuleCountsOnlyWithASumOfThePin(t *testing.T) {
	const answer = `{"Path": "example.com/m", "Version": "v1.2.3", "Sum": "h1:abc=", "GoModSum": "h1:def=", "Dir": "/modules/m@v1.2.3"}`
	for name, row := range map[string]struct{ sums, dir, problem string }{
		"the sum is there":         {"example.com/a v1.0.0 h1:x=\nexample.com/m v1.2.3 h1:abc=\n", "/modules/m@v1.2.3", ""},
		"another sum":              {"example.com/m v1.2.3 h1:xyz=\n", "", "pin p has no sum h1:abc= of example.com/m v1.2.3"},
		"another version":          {"example.com/m v1.2.4 h1:abc=\n", "", "pin p has no sum"},
		"only the sum of a go.mod": {"example.com/m v1.2.3/go.mod h1:abc=\n", "", "pin p has no sum"},
		"no sums":                  {"", "", "pin p has no sum"},
	} {
		dir, err := downloaded([]byte(answer), pin{name: "p", files: map[string][]byte{"go.sum": []byte(row.sums)}})
		if dir != row.dir || (err == nil) != (row.problem == "") || err != nil && !strings.Contains(err.Error(), row.problem) {
			t.Errorf("%s: got %q, %v", name, dir, err)
		}
	}
}
