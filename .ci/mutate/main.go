// Command mutate tests the tests of a package: it changes one comparison at a time and looks whether some test fails.
//
//	go run ./.ci/mutate [-slow REGEXP] DIR
//
// All changes are compiled into one test binary, each behind a number that an environment variable chooses, so that a change
// costs a run of the tests and no build. Every comparison is changed in two ways: its border is moved (< becomes <=, == becomes
// always false) and it is turned round. What no test notices is listed; the last line is the score.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// borders are the comparisons with their border moved.
var borders = map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}

// mutant is one change.
type mutant struct {
	id          string
	where, what string
}

func main() {
	slow := flag.String("slow", "", "tests that are run only when all others noticed nothing")
	only := flag.String("only", "", "change only this file")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: mutate [-slow REGEXP] [-only FILE] DIR")
		os.Exit(64)
	}
	survivors, err := run(flag.Arg(0), *slow, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(3)
	}
	if survivors > 0 {
		os.Exit(1)
	}
}

func run(dir, slow, only string) (survivors int, err error) {
	temp, err := os.MkdirTemp("", "mutate-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	binary, mutants, err := build(dir, temp, only)
	if err != nil {
		return 0, err
	}
	quick := []string{"-test.short", "-test.failfast", "-test.timeout=60s"}
	if slow != "" {
		quick = append(quick, "-test.skip="+slow)
	}
	if notices(dir, binary, "", quick) {
		return 0, errors.New("the tests fail without any change")
	}
	for _, m := range mutants {
		found := notices(dir, binary, m.id, quick)
		if !found && slow != "" {
			found = notices(dir, binary, m.id, []string{"-test.short", "-test.failfast", "-test.timeout=300s", "-test.run=" + slow})
		}
		if !found {
			survivors++
			fmt.Printf("%s: nobody notices %s\n", m.where, m.what)
		}
	}
	fmt.Printf("%s: %d of %d changes were noticed (%.1f%%)\n", dir, len(mutants)-survivors, len(mutants),
		100*float64(len(mutants)-survivors)/float64(max(1, len(mutants))))
	return survivors, nil
}

// notices runs the tests with one change and tells whether they fail.
func notices(dir, binary, id string, args []string) bool {
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MUTANT="+id)
	cmd.WaitDelay = time.Second
	return cmd.Run() != nil
}

// build compiles the tests with all changes in them.
func build(dir, temp, only string) (binary string, mutants []mutant, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", nil, err
	}
	replace := map[string]string{}
	name := ""
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") || only != "" && filepath.Base(path) != only {
			continue
		}
		text, found, pkg, err := change(path, len(mutants))
		if err != nil {
			return "", nil, err
		}
		name = pkg
		mutants = append(mutants, found...)
		full, err := filepath.Abs(path)
		if err != nil {
			return "", nil, err
		}
		replace[full] = filepath.Join(temp, filepath.Base(path))
		if err := os.WriteFile(replace[full], text, 0o600); err != nil {
			return "", nil, err
		}
	}
	full, err := filepath.Abs(filepath.Join(dir, "zz_mutant.go"))
	if err != nil {
		return "", nil, err
	}
	replace[full] = filepath.Join(temp, "zz_mutant.go")
	if err := os.WriteFile(replace[full], []byte(fmt.Sprintf(chooser, name)), 0o600); err != nil {
		return "", nil, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", nil, err
	}
	list := filepath.Join(temp, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", nil, err
	}
	binary = filepath.Join(temp, "tests")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", list, "-o", binary, "./"+filepath.Clean(dir)).CombinedOutput()
	if err != nil {
		return "", nil, fmt.Errorf("build the tests: %w\n%s", err, out)
	}
	return binary, mutants, nil
}

const chooser = `package %s

import "os"

var zzMutant = os.Getenv("MUTANT")

func zzChoose(border, turned string, was, moved func() bool) bool {
	switch zzMutant {
	case border:
		return moved()
	case turned:
		return !was()
	default:
		return was()
	}
}
`

// change puts both changes of each comparison of a file beside it.
func change(path string, first int) (text []byte, mutants []mutant, pkg string, err error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, "", err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, "", err
	}
	type edit struct {
		from, to int
		text     string
	}
	var edits []edit
	at := func(p token.Pos) int { return set.Position(p).Offset }
	ast.Inspect(file, func(n ast.Node) bool {
		if decl, ok := n.(*ast.GenDecl); ok && decl.Tok == token.CONST {
			return false
		}
		e, ok := n.(*ast.BinaryExpr)
		if !ok {
			return true
		}
		moved, ordered := borders[e.Op]
		if !ordered && e.Op != token.EQL && e.Op != token.NEQ {
			return true
		}
		x, y := source[at(e.X.Pos()):at(e.X.End())], source[at(e.Y.Pos()):at(e.Y.End())]
		was := fmt.Sprintf("%s %s %s", x, e.Op, y)
		other := fmt.Sprintf("%s %s %s", x, moved, y)
		if !ordered {
			other = fmt.Sprintf("%s %s %s && false", x, e.Op, y)
			if e.Op == token.NEQ {
				other = fmt.Sprintf("%s %s %s || true", x, e.Op, y)
			}
		}
		n1, n2 := fmt.Sprint(first+len(mutants)), fmt.Sprint(first+len(mutants)+1)
		where := set.Position(e.OpPos).String()
		mutants = append(mutants, mutant{n1, where, fmt.Sprintf("%q as %q", was, other)}, mutant{n2, where, fmt.Sprintf("%q turned round", was)})
		edits = append(edits, edit{at(e.Pos()), at(e.End()), fmt.Sprintf(
			"zzChoose(%q, %q, func() bool { return %s }, func() bool { return %s })", n1, n2, was, other)})
		return false
	})
	slices.Reverse(edits)
	text = source
	for _, e := range edits {
		text = bytes.Join([][]byte{text[:e.from], []byte(e.text), text[e.to:]}, nil)
	}
	return text, mutants, file.Name.Name, nil
}
