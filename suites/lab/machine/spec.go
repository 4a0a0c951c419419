package machine

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
)

// Spec is everything a machine is made from. It is stored as Dir/spec.json.
type Spec struct {
	Name     string   `json:"name"`
	Dir      string   `json:"dir"` // state folder on disk: record, control socket, logs
	Hostname string   `json:"hostname,omitempty"`
	Network  *Network `json:"network,omitempty"` // nil: the host's network
	Mounts   []Mount  `json:"mounts,omitempty"`
	Cgroup   bool     `json:"cgroup,omitempty"` // cgroups and a cgroup namespace of its own
	Parts    []Part   `json:"parts"`

	// Program is what PID 1 runs: one whose "lab machine" command is [Main]. Empty:
	// the running program. It is no part of what the machine is.
	Program string `json:"-"`
}

// Network plugs the machine into a bridge on the host.
type Network struct {
	Bridge  string `json:"bridge"`  // made when absent, see EnsureBridge
	Link    string `json:"link"`    // host's end of the cable, at most 15 characters
	Address string `json:"address"` // of eth0 inside, as 10.9.0.2/24
	Gateway string `json:"gateway"` // the bridge's address, and the default route inside
}

// Mount binds a folder or file of the host into the machine. A source or a
// target that is absent is made (a file where the source is one, else a folder);
// Stop removes the target that was made, once no other machine uses it.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// Part is one supervised program.
type Part struct {
	Name    string     `json:"name"`
	Version string     `json:"version,omitempty"`
	Argv    []string   `json:"argv"`
	Env     []string   `json:"env,omitempty"` // on top of PATH, HOME and LANG; nothing else is inherited
	Dir     string     `json:"dir,omitempty"`
	After   []string   `json:"after,omitempty"` // started only while these are ready
	Ready   *Check     `json:"ready,omitempty"` // nil: ready as soon as it runs
	Restart bool       `json:"restart,omitempty"`
	Pre     [][]string `json:"pre,omitempty"` // commands run once per start of the machine, before the part
}

// Check asks whether a part is ready; it is repeated until the first yes.
type Check struct {
	// Target is http://, https:// (any certificate), tcp://host:port,
	// unix:///socket or file:///path.
	Target   string        `json:"target"`
	Interval time.Duration `json:"interval,omitempty"` // default 200 ms
}

var nameOK = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// machineLog names the log of PID 1 among those of the parts.
const machineLog = "machine"

// hiddenInside are the host folders a machine replaces by its own.
var hiddenInside = []string{"/proc", "/sys", "/run", "/var/run", "/dev/shm"}

// hidden returns the replaced folder that the path is in, or "".
func hidden(path string) string {
	for _, h := range hiddenInside {
		if path == h || strings.HasPrefix(path, h+"/") {
			return h
		}
	}
	return ""
}

// Validate lists all mistakes of the spec at once.
func (s Spec) Validate() error {
	var bad *multierror.Error
	if !nameOK.MatchString(s.Name) {
		bad = multierror.Append(bad, fmt.Errorf("machine name %q: want lower case letters, digits and dashes", s.Name))
	}
	if !filepath.IsAbs(s.Dir) {
		bad = multierror.Append(bad, fmt.Errorf("machine %s: folder %q is not absolute", s.Name, s.Dir))
	}
	for _, path := range s.hostPaths() {
		if h := hidden(path); h != "" {
			bad = multierror.Append(bad, fmt.Errorf("machine %s: %s is below %s, which a machine has of its own", s.Name, path, h))
		}
	}
	for _, m := range s.Mounts {
		if !filepath.IsAbs(m.Source) || !filepath.IsAbs(m.Target) {
			bad = multierror.Append(bad, fmt.Errorf("machine %s: mount %s to %s: want absolute paths", s.Name, m.Source, m.Target))
		}
	}
	if s.Network != nil {
		bad = multierror.Append(bad, s.Network.validate(s.Name))
	}
	bad = multierror.Append(bad, s.validateParts())
	return bad.ErrorOrNil()
}

func (s Spec) hostPaths() []string {
	paths := []string{s.Dir}
	for _, m := range s.Mounts {
		paths = append(paths, m.Source)
	}
	return paths
}

func (n Network) validate(machine string) error {
	var bad *multierror.Error
	for _, name := range []string{n.Bridge, n.Link} {
		if len(name) == 0 || len(name) > 15 {
			bad = multierror.Append(bad, fmt.Errorf("machine %s: network link name %q: want 1 to 15 characters", machine, name))
		}
	}
	if _, err := n.bridgeAddress(); err != nil {
		bad = multierror.Append(bad, fmt.Errorf("machine %s: %w", machine, err))
	}
	return bad.ErrorOrNil()
}

// bridgeAddress is the gateway with the prefix of the machine's address.
func (n Network) bridgeAddress() (netip.Prefix, error) {
	address, err := netip.ParsePrefix(n.Address)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("read network address %q: %w", n.Address, err)
	}
	gateway, err := netip.ParseAddr(n.Gateway)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("read network gateway %q: %w", n.Gateway, err)
	}
	if !address.Contains(gateway) || gateway == address.Addr() {
		return netip.Prefix{}, fmt.Errorf("network gateway %s is no other address in %s", n.Gateway, n.Address)
	}
	return netip.PrefixFrom(gateway, address.Bits()), nil
}

func (s Spec) validateParts() error {
	var bad *multierror.Error
	seen := map[string]bool{machineLog: true} // PID 1's own log has that name
	for _, p := range s.Parts {
		if !nameOK.MatchString(p.Name) || seen[p.Name] {
			bad = multierror.Append(bad, fmt.Errorf("machine %s: part name %q is malformed or taken", s.Name, p.Name))
		}
		if len(p.Argv) == 0 {
			bad = multierror.Append(bad, fmt.Errorf("machine %s: part %s has no command", s.Name, p.Name))
		}
		for _, argv := range p.Pre {
			if len(argv) == 0 {
				bad = multierror.Append(bad, fmt.Errorf("machine %s: part %s has an empty command before it", s.Name, p.Name))
			}
		}
		if p.Ready != nil {
			if _, err := p.Ready.probe(); err != nil {
				bad = multierror.Append(bad, fmt.Errorf("machine %s: part %s: %w", s.Name, p.Name, err))
			}
		}
		seen[p.Name] = true
	}
	if stuck := s.stuck(); len(stuck) > 0 {
		bad = multierror.Append(bad, fmt.Errorf("machine %s: parts %s wait for each other or for parts that are not there",
			s.Name, strings.Join(stuck, ", ")))
	}
	return bad.ErrorOrNil()
}

// stuck names the parts that could never start.
func (s Spec) stuck() []string {
	started := map[string]bool{}
	left := slices.Clone(s.Parts)
	for {
		rest := slices.DeleteFunc(slices.Clone(left), func(p Part) bool {
			for _, name := range p.After {
				if !started[name] {
					return false
				}
			}
			return true
		})
		if len(rest) == len(left) {
			break
		}
		for _, p := range left {
			if !slices.ContainsFunc(rest, func(r Part) bool { return r.Name == p.Name }) {
				started[p.Name] = true
			}
		}
		left = rest
	}
	names := make([]string, len(left))
	for i, p := range left {
		names[i] = p.Name
	}
	return names
}

func readSpec(path string) (Spec, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Spec{}, fmt.Errorf("read machine spec: %w", err)
	}
	var spec Spec
	if err := json.Unmarshal(raw, &spec); err != nil {
		return Spec{}, fmt.Errorf("decode machine spec %s: %w", path, err)
	}
	return spec, nil
}
