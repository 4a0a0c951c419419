package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addRoute leads the host's packets for a cluster's pods to its node, so that
// Prometheus reaches each replica. The route goes when the bridge does.
func addRoute(bridge string, pods netip.Prefix, node netip.Addr) error {
	link, err := netlink.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("route to %s: find bridge %s: %w", pods, bridge, err)
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index,
		Dst:       &net.IPNet{IP: pods.Addr().AsSlice(), Mask: net.CIDRMask(pods.Bits(), 32)},
		Gw:        node.AsSlice(),
	}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("route to %s by %s: %w", pods, node, err)
	}
	return nil
}

// overlapping lists what of the host uses addresses of the subnet: everything but
// the lab's own bridge.
func overlapping(subnet netip.Prefix, bridge string) ([]string, error) {
	own := 0
	link, err := netlink.LinkByName(bridge)
	var none netlink.LinkNotFoundError
	switch {
	case err == nil:
		own = link.Attrs().Index
	case !errors.As(err, &none):
		return nil, fmt.Errorf("look for bridge %s: %w", bridge, err)
	}
	routes, err := netlink.RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	var found []string
	for _, route := range routes {
		if route.LinkIndex == own || route.Dst == nil {
			continue
		}
		address, ok := netip.AddrFromSlice(route.Dst.IP.To4())
		bits, _ := route.Dst.Mask.Size()
		if !ok || bits == 0 || !subnet.Overlaps(netip.PrefixFrom(address, bits)) {
			continue
		}
		name := fmt.Sprintf("interface %d", route.LinkIndex)
		if link, err := netlink.LinkByIndex(route.LinkIndex); err == nil {
			name = link.Attrs().Name
		}
		found = append(found, fmt.Sprintf("%s by %s", route.Dst, name))
	}
	return found, nil
}
