package machine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkGroup ("GD1") marks every link a lab makes, so that none of somebody else's
// is ever removed. Unlike an alias, the kernel sets it in the same step.
const linkGroup = 0x474431

// EnsureBridge makes a bridge with an address (as 10.9.0.1/24), unless it is there.
func EnsureBridge(name, address string) error {
	prefix, err := netip.ParsePrefix(address)
	if err != nil {
		return fmt.Errorf("read bridge address %q: %w", address, err)
	}
	link, err := findLink(name)
	if err != nil {
		return err
	}
	if link == nil {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.Group = name, linkGroup
		// Left alone, a bridge takes over the lowest address of its cables, so that
		// a second machine would cut the first one off from its gateway for a while.
		id := sha256.Sum256([]byte(name))
		attrs.HardwareAddr = append(net.HardwareAddr{0x02}, id[:5]...)
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("make bridge %s: %w", name, err)
		}
		if link, err = netlink.LinkByName(name); err != nil {
			return fmt.Errorf("find new bridge %s: %w", name, err)
		}
	}
	if link.Type() != "bridge" {
		return fmt.Errorf("make bridge %s: there is a %s of that name", name, link.Type())
	}
	return address4(link, prefix)
}

// RemoveBridge removes a bridge that EnsureBridge made; one that is absent is fine.
func RemoveBridge(name string) error { return removeLink(name) }

// address4 gives a link an address, unless it has it, and brings it up.
func address4(link netlink.Link, prefix netip.Prefix) error {
	addr := &netlink.Addr{IPNet: &net.IPNet{
		IP:   prefix.Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}}
	if err := netlink.AddrReplace(link, addr); err != nil {
		return fmt.Errorf("give link %s the address %s: %w", link.Attrs().Name, prefix, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring link %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

// findLink returns nil for a link that is absent.
func findLink(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find link %s: %w", name, err)
	}
	return link, nil
}

// removeLink removes a link that carries the lab's mark.
func removeLink(name string) error {
	link, err := findLink(name)
	if err != nil || link == nil {
		return err
	}
	if link.Attrs().Group != linkGroup {
		return fmt.Errorf("remove link %s: it was not made by a lab", name)
	}
	if err := netlink.LinkDel(link); err != nil {
		if again, findErr := findLink(name); findErr == nil && again == nil {
			return nil // it went with the machine's network namespace meanwhile
		}
		return fmt.Errorf("remove link %s: %w", name, err)
	}
	return nil
}

// plug makes the machine's cable: one end in the bridge, the other one as eth0 in
// the network namespace of the process.
func (n Network) plug(pid int) error {
	address, err := n.bridgeAddress()
	if err != nil {
		return err
	}
	if err := EnsureBridge(n.Bridge, address.String()); err != nil {
		return err
	}
	bridge, err := netlink.LinkByName(n.Bridge)
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", n.Bridge, err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Group = n.Link, linkGroup
	attrs.MasterIndex = bridge.Attrs().Index
	cable := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsPid(pid), PeerHardwareAddr: n.hardware()}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("make network cable %s: %w", n.Link, err)
	}
	link, err := netlink.LinkByName(n.Link)
	if err != nil {
		return fmt.Errorf("find network cable %s: %w", n.Link, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring network cable %s up: %w", n.Link, err)
	}
	return nil
}

// hardware is the address of eth0 on the cable. It is the same in each life of the
// machine: the host goes on sending to the one it knows, for half a minute.
func (n Network) hardware() net.HardwareAddr {
	address := netip.MustParsePrefix(n.Address).Addr().AsSlice() // the spec was validated
	return append(net.HardwareAddr{0x02, 0x67}, address[len(address)-4:]...)
}

// setUpNetwork gives eth0 its address and routes everything to the bridge. It runs inside.
func setUpNetwork(n Network) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("find the machine's end of the network cable: %w", err)
	}
	address, err := netip.ParsePrefix(n.Address)
	if err != nil {
		return fmt.Errorf("read network address: %w", err)
	}
	if err := address4(eth0, address); err != nil {
		return err
	}
	gateway := net.ParseIP(n.Gateway)
	if err := netlink.RouteReplace(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: gateway}); err != nil {
		return fmt.Errorf("set default route to %s: %w", n.Gateway, err)
	}
	// Pods behind the node are reached through it.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("enable forwarding: %w", err)
	}
	return nil
}
