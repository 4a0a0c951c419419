package lab

import (
	"net/netip"
	"strings"
	"testing"
)

func TestLayoutOfTwoLabsHasNothingInCommon(t *testing.T) {
	one, err := Options{Cache: "/c"}.layout()
	if err != nil {
		t.Fatal(err)
	}
	two, err := Options{Cache: "/c", Dir: "/elsewhere", Subnet: "10.99.0.0/16"}.layout()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, l := range []Layout{one, two} {
		names := []string{l.Bridge(), l.lock(), l.Kubeconfig(), l.Address().String()}
		for _, c := range l.clusters() {
			names = append(names, c.Network.Link, c.Node().String(), c.Dir)
			if len(c.Network.Link) > 15 {
				t.Errorf("link %s is longer than the kernel takes", c.Network.Link)
			}
		}
		for _, name := range names {
			if seen[name] {
				t.Errorf("%s is used twice", name)
			}
			seen[name] = true
		}
	}
}

func TestAddressesDoNotOverlap(t *testing.T) {
	l, err := Options{Cache: "/c", Subnet: "172.20.0.0/16"}.layout()
	if err != nil {
		t.Fatal(err)
	}
	networks := []netip.Prefix{netip.PrefixFrom(l.Address(), 24).Masked()}
	for _, c := range l.clusters() {
		networks = append(networks, c.Pods, c.Services)
	}
	for i, a := range networks {
		if !l.Subnet.Contains(a.Addr()) {
			t.Errorf("%s is outside of %s", a, l.Subnet)
		}
		for _, b := range networks[:i] {
			if a.Overlaps(b) {
				t.Errorf("%s and %s overlap", a, b)
			}
		}
	}
}

func TestSubnetIsRefused(t *testing.T) {
	for _, subnet := range []string{"10.98.0.0/24", "10.98.1.0/16", "fd00::/16", "ten"} {
		_, err := Options{Cache: "/c", Subnet: subnet}.layout()
		if err == nil || !strings.Contains(err.Error(), "GAMEDAY_LAB_SUBNET") {
			t.Errorf("subnet %s: %v", subnet, err)
		}
	}
}

func TestListener(t *testing.T) {
	for _, row := range []struct{ name, line, want string }{
		{"listens on every address", "   0: 00000000:2382 00000000:0000 0A 00000000:00000000 00:00000000", "0.0.0.0:9090"},
		{"listens on one", "   1: 0100620A:1F90 00000000:0000 0A 00000000:00000000 00:00000000", "10.98.0.1:8080"},
		{"listens on every address of both kinds", "   0: 00000000000000000000000000000000:2382 00000000000000000000000000000000:0000 0A 0", "[::]:9090"},
		{"is connected", "   2: 0100620A:1F90 0200620A:ABCD 01 00000000:00000000 00:00000000", ""},
		{"is the heading", "  sl  local_address rem_address   st tx_queue rx_queue", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			at, ok := listener(row.line)
			if ok != (row.want != "") || ok && at.String() != row.want {
				t.Errorf("got %s, %v; want %q", at, ok, row.want)
			}
		})
	}
}

func TestProblemsAreToldAtOnceWithAWayOut(t *testing.T) {
	err := &NotHereError{[]string{"one", "two"}}
	for _, want := range []string{"- one", "- two", "--context"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %s", want, err)
		}
	}
}

func TestOtherProgramsAreRefused(t *testing.T) {
	// This test's own program would run the tests again as PID 1 of a machine.
	if _, err := (Options{}).program(); err == nil || !strings.Contains(err.Error(), "not gameday") {
		t.Errorf("got %v", err)
	}
}
