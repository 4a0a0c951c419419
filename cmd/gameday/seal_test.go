package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/attest"
	"github.com/gamedayhq/gameday/reports/bundle"
)

// TestMain keeps the tests from making a key in the folder of whoever runs them.
func TestMain(m *testing.M) {
	os.Exit(withKey(m))
}

func withKey(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gameday-test-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "key.pem")
	if _, err := attest.EnsureKey(path, nil); err != nil {
		panic(err)
	}
	if err := os.Setenv("GAMEDAY_KEY", path); err != nil {
		panic(err)
	}
	return m.Run()
}

// TestSealReviewVerify walks the whole way of a killed drill's evidence: sealed, reviewed, packed, verified.
func TestSealReviewVerify(t *testing.T) {
	keys := t.TempDir()
	operator, reviewer := filepath.Join(keys, "operator.pem"), filepath.Join(keys, "reviewer.pem")
	for _, path := range []string{operator, reviewer} {
		if _, err := attest.EnsureKey(path, nil); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "killed")
	if err := os.CopyFS(dir, os.DirFS("../../reports/testdata/evidence/killed")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, reports.EvidenceFile)); err != nil {
		t.Fatal(err)
	}
	tar := filepath.Join(t.TempDir(), "drill.tar")
	const as = "https://example.com/people/ada"
	stored, err := reports.Load("../../reports/testdata/evidence/killed")
	if err != nil {
		t.Fatal(err)
	}
	verdict := verdictCode(stored.Verdict)
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"verify", dir}, exitFail, "evidence.json"},
		{[]string{"seal", dir, "--key", operator, "--operator", "bob"}, verdict, "killed"},
		{[]string{"seal", dir, "--key", operator}, exitUsage, "closed already"},
		{[]string{"verify", dir}, verdict, "give --key"},
		{[]string{"verify", dir, "--key", operator + ".pub"}, verdict, "signed by"},
		{[]string{"verify", dir, "--key", reviewer + ".pub"}, exitFail, "was not signed by any"},
		{[]string{"verify", dir, "--key", operator}, exitUsage, "want a PUBLIC KEY"},
		{[]string{"review", dir, "--key", reviewer}, exitUsage, "--operator-key"},
		{[]string{"review", dir, "--key", operator, "--as", as, "--operator-key", operator + ".pub"}, exitUsage, "nobody reviews their own"},
		{[]string{"review", dir, "--key", reviewer, "--as", as, "--operator-key", operator + ".pub"}, exitPass, "reviewed"},
		{[]string{"verify", dir, "--key", operator + ".pub", "--reviewer-key", reviewer + ".pub"}, verdict, "reviewed by"},
		{[]string{"bundle", dir}, exitUsage, "--output"},
		{[]string{"bundle", dir, "-o", tar}, exitPass, ""},
		{[]string{"verify", tar, "--key", operator + ".pub", "--reviewer-key", reviewer + ".pub"}, verdict, "reviewed by"},
		{[]string{"verify", tar, "--key", operator + ".pub", "-o", "json"}, verdict, `"operator": "`},
	} {
		code, out, errs := gameday(t, row.args...)
		if code != row.code || !strings.Contains(out+errs, row.want) {
			t.Errorf("%v: exit %d, said %q %q; want %d and %q", row.args, code, out, errs, row.code, row.want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, bundle.ParticipantsFile)); err != nil || !strings.Contains(string(text), `"bob"`) {
		t.Errorf("participants: %s, %v", text, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "extra"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"bundle", dir, "-o", tar},
		{"review", dir, "--key", reviewer, "--as", as, "--operator-key", operator + ".pub"},
	} {
		if code, _, errs := gameday(t, args...); code == exitPass || !strings.Contains(errs, "in no manifest") {
			t.Errorf("%v of a folder with a file too many: exit %d, said %q", args, code, errs)
		}
	}
	if code, _, errs := gameday(t, "verify", tar); code != verdict {
		t.Errorf("the tar that was there is no more what it was: exit %d, %s", code, errs)
	}
}
