package lab

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/gamedayhq/gameday/suites/lab/cluster"
	"github.com/gamedayhq/gameday/suites/lab/depot"
	"github.com/gamedayhq/gameday/suites/lab/machine"
	"github.com/gamedayhq/gameday/suites/lab/shop"
)

// Names of the machines. The first two are clusters too, and contexts in the kubeconfig.
const (
	Primary = "primary"
	Standby = "standby"
	Depot   = "depot"
)

const (
	defaultDir    = "/var/lib/gameday/lab"
	defaultSubnet = "10.98.0.0/16"
)

// Layout is where a lab is: its folders, its addresses and its names on the host.
// Two labs with different folders and subnets stand side by side.
type Layout struct {
	Dir    string       // state; removed by Down
	Cache  string       // binaries and images; kept
	Subnet netip.Prefix // all addresses of the lab
}

// layout takes what the options leave open from the environment, and then the defaults.
func (o Options) layout() (Layout, error) {
	l := Layout{Dir: first(o.Dir, os.Getenv("GAMEDAY_LAB_DIR"), defaultDir), Cache: o.Cache}
	subnet := first(o.Subnet, os.Getenv("GAMEDAY_LAB_SUBNET"), defaultSubnet)
	var err, errs error
	if l.Subnet, err = netip.ParsePrefix(subnet); err != nil {
		errs = errors.Join(errs, fmt.Errorf("read GAMEDAY_LAB_SUBNET: %w", err))
	} else if l.Subnet != l.Subnet.Masked() || !l.Subnet.Addr().Is4() || l.Subnet.Bits() != 16 {
		errs = errors.Join(errs, fmt.Errorf("read GAMEDAY_LAB_SUBNET: %q is no IPv4 network of 16 bits, such as %s", subnet, defaultSubnet))
	}
	if l.Dir, err = filepath.Abs(l.Dir); err != nil {
		errs = errors.Join(errs, fmt.Errorf("read GAMEDAY_LAB_DIR: %w", err))
	}
	if l.Cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("find the cache folder: %w", err))
		}
		l.Cache = filepath.Join(user, "gameday", "lab")
	}
	return l, errs
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

// part is the network of that many bits whose third byte is given.
func (l Layout) part(third byte, bits int) netip.Prefix {
	base := l.Subnet.Addr().As4()
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{base[0], base[1], third, 0}), bits)
}

func (l Layout) host(last byte) netip.Addr {
	base := l.Subnet.Addr().As4()
	return netip.AddrFrom4([4]byte{base[0], base[1], 0, last})
}

// Address is the host's own address in the lab: where the depot listens.
func (l Layout) Address() netip.Addr { return l.host(1) }

// id tells this lab's names on the host from those of another lab. The default
// folder's have none, as they are the ones that people see.
func (l Layout) id() string {
	if l.Dir == defaultDir {
		return ""
	}
	sum := sha256.Sum256([]byte(l.Dir))
	return fmt.Sprintf("%x", sum[:2])
}

// Bridge is the name of the lab's bridge on the host.
func (l Layout) Bridge() string {
	if id := l.id(); id != "" {
		return "gd-" + id
	}
	return "gameday0"
}

func (l Layout) link(machine string) string {
	if id := l.id(); id != "" {
		return "gd-" + id + "-" + machine
	}
	return "gd-" + machine
}

// Kubeconfig is the file with a context for each cluster.
func (l Layout) Kubeconfig() string { return filepath.Join(l.Dir, "kubeconfig") }

// lock is beside the folder and not in it, so that it can be held while the
// folder is removed.
func (l Layout) lock() string { return l.Dir + ".lock" }

func (l Layout) machine(name string) string { return filepath.Join(l.Dir, name) }

// clusters are both clusters, without the programs that only Up knows.
func (l Layout) clusters() []cluster.Cluster {
	return []cluster.Cluster{l.cluster(Primary, 0), l.cluster(Standby, 1)}
}

func (l Layout) cluster(name string, i byte) cluster.Cluster {
	return cluster.Cluster{
		Name: name,
		Dir:  l.machine(name),
		Network: machine.Network{
			Bridge:  l.Bridge(),
			Link:    l.link(name),
			Address: netip.PrefixFrom(l.host(11+i), 24).String(),
			Gateway: l.Address().String(),
		},
		Pods:     l.part(64+16*i, 20),
		Services: l.part(128+16*i, 20),
	}
}

// depot is the depot, without the program that only Up knows.
func (l Layout) depot() depot.Depot {
	d := depot.Depot{Dir: l.machine(Depot), Address: l.Address()}
	for _, c := range l.clusters() {
		d.Sites = append(d.Sites, depot.Site{
			Name:     c.Name,
			Shop:     netip.AddrPortFrom(c.Node(), shop.NodePort).String(),
			Observer: c.Observer(),
		})
	}
	return d
}
