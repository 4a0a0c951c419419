package library

import "testing"

func TestShipped(t *testing.T) {
	if got := Shipped(); len(got) != 3 || len(Names()) <= len(got) {
		t.Errorf("the shipped game day is %v of %v", got, Names())
	}
	for _, name := range Shipped() {
		if _, err := Read(name); err != nil {
			t.Error(err)
		}
	}
}
