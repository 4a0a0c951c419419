package image

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
)

// Content is what the lab's images are made of.
type Content struct {
	// Programs are the paths of static programs by name: coredns, velero,
	// velero-restore-helper, velero-plugin-for-aws, chaos-controller-manager,
	// chaos-daemon, chaos-daemon-helper.
	Programs map[string]string
	Self     string // path of the gameday program, static
	SelfKey  string // changes when what gameday serves in a cluster changes
	Userland string // what Userland returned
}

// Names of the lab's images.
const (
	Pause                  = "pause"
	CoreDNS                = "coredns"
	Velero                 = "velero"
	VeleroPlugin           = "velero-plugin-for-aws"
	ChaosControllerManager = "chaos-controller-manager"
	ChaosDaemon            = "chaos-daemon"
	Postgres               = "postgres"
	Shop                   = "shop"
	Provisioner            = "provisioner"
)

// nobody is who runs what needs no rights. It has a home.
const (
	nobody = 65532
	home   = "/home/nonroot"
)

const searchPath = "PATH=/usr/local/pgsql/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

//go:embed files
var files embed.FS

// LabImages are all images of the lab, the small ones that everything waits for first.
func LabImages(from Content) ([]Image, error) {
	for _, name := range []string{"coredns", "velero", "velero-restore-helper", "velero-plugin-for-aws", "chaos-controller-manager", "chaos-daemon", "chaos-daemon-helper"} {
		if from.Programs[name] == "" {
			return nil, fmt.Errorf("images of the lab: the program %s is missing", name)
		}
	}
	gameday := programs(map[string]string{"/gameday": from.Self})
	userland := &Layer{Userland: from.Userland}
	return []Image{
		from.pause(),
		from.program(CoreDNS, "/coredns"),
		from.self(Provisioner, gameday),
		from.self(Shop, gameday),
		from.program(ChaosControllerManager, "/usr/local/bin/chaos-controller-manager"),
		from.velero(),
		from.plugin(),
		from.chaosDaemon(userland),
		from.postgres(userland),
	}, nil
}

// base is the little that programs expect of any system.
func base() *Layer {
	accounts := fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\nnonroot:x:%d:%d:nonroot:%s:/bin/sh\n", nobody, nobody, home)
	return &Layer{Files: []File{
		{Path: "/etc", Mode: fs.ModeDir | 0o755},
		{Path: "/etc/group", Mode: 0o644, Content: fmt.Appendf(nil, "root:x:0:\nnonroot:x:%d:\n", nobody)},
		{Path: "/etc/nsswitch.conf", Mode: 0o644, Content: []byte("hosts: files dns\n")},
		{Path: "/etc/passwd", Mode: 0o644, Content: []byte(accounts)},
		{Path: "/home", Mode: fs.ModeDir | 0o755},
		{Path: home, Mode: fs.ModeDir | 0o755, UID: nobody, GID: nobody},
		{Path: "/root", Mode: fs.ModeDir | 0o700},
		{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}}
}

// program is an image of one program of that name.
func (c Content) program(name, at string) Image {
	return Image{Name: name, Layers: []*Layer{base(), programs(map[string]string{at: c.Programs[name]})}, Entrypoint: []string{at}}
}

// self is an image of gameday itself, in one of its parts.
func (c Content) self(part string, gameday *Layer) Image {
	return Image{
		Name: part, Key: c.SelfKey,
		Layers:     []*Layer{base(), gameday},
		Entrypoint: []string{"/gameday", "lab", "serve", part},
	}
}

// pause holds a pod's namespaces: it waits to be told to stop and buries the
// processes that others left behind. A shell does it in half a megabyte; there is
// one in every pod.
func (c Content) pause() Image {
	const wait = "trap 'exit 0' TERM INT; while :; do /bin/busybox sleep 86400 & wait $!; done"
	return Image{Name: Pause, Layers: []*Layer{c.busybox()}, Entrypoint: []string{"/bin/busybox", "sh", "-c", wait}, User: "65535:65535"}
}

// velero serves, and is also the node agent, which its pod runs as root. Both
// write their repository's settings into HOME.
func (c Content) velero() Image {
	i := c.program(Velero, "/velero")
	i.Layers = append(i.Layers, programs(map[string]string{"/velero-restore-helper": c.Programs["velero-restore-helper"]}))
	i.User = fmt.Sprintf("%d:%d", nobody, nobody)
	i.Env = []string{"HOME=" + home}
	return i
}

// plugin copies itself to the path that Velero's init container has for it.
func (c Content) plugin() Image {
	const at = "/plugins/velero-plugin-for-aws"
	return Image{
		Name:       VeleroPlugin,
		Layers:     []*Layer{base(), c.busybox(), programs(map[string]string{at: c.Programs[VeleroPlugin]})},
		Entrypoint: []string{"/bin/busybox", "cp", "-f", at, "/target/velero-plugin-for-aws"},
		User:       fmt.Sprintf("%d:%d", nobody, nobody),
	}
}

func (c Content) chaosDaemon(userland *Layer) Image {
	return Image{
		Name: ChaosDaemon,
		Layers: []*Layer{
			userland,
			programs(map[string]string{
				"/usr/local/bin/cdh":          c.Programs["chaos-daemon-helper"],
				"/usr/local/bin/chaos-daemon": c.Programs["chaos-daemon"],
			}),
			{Files: []File{
				script("/usr/local/bin/memStress", "memstress.sh"),
				script("/usr/local/bin/nsexec", "nsexec.sh"),
				script("/usr/local/bin/pause", "pause.sh"),
			}},
		},
		Entrypoint: []string{"/usr/local/bin/chaos-daemon"},
		Env:        []string{searchPath},
	}
}

// postgres stops quickly on SIGINT; on SIGTERM it would wait for its clients to leave.
func (c Content) postgres(userland *Layer) Image {
	return Image{
		Name:       Postgres,
		Layers:     []*Layer{userland, {Files: []File{script("/usr/local/bin/postgres-server", "postgres.sh")}}},
		Entrypoint: []string{"/usr/local/bin/postgres-server"},
		Env:        []string{searchPath, "LANG=C.UTF-8", "PGDATA=/var/lib/postgresql/data/pgdata"},
		StopSignal: "SIGINT",
	}
}

// busybox is one static program that is a shell and all the usual tools.
func (c Content) busybox() *Layer {
	return programs(map[string]string{"/bin/busybox": filepath.Join(c.Userland, busybox)})
}

// programs is a layer of programs, by their paths in the image, with the folders above them.
func programs(sources map[string]string) *Layer {
	l := &Layer{}
	for at, source := range sources {
		l.Files = append(l.Files, File{Path: at, Mode: 0o755, Source: source})
		for dir := path.Dir(at); dir != "/"; dir = path.Dir(dir) {
			if !slices.ContainsFunc(l.Files, func(f File) bool { return f.Path == dir }) {
				l.Files = append(l.Files, File{Path: dir, Mode: fs.ModeDir | 0o755})
			}
		}
	}
	slices.SortFunc(l.Files, byPath)
	return l
}

// script is one of the embedded scripts, which are there or the program would not build.
func script(at, name string) File {
	text, err := files.ReadFile("files/" + name)
	if err != nil {
		panic("image: " + err.Error())
	}
	return File{Path: at, Mode: 0o755, Content: text}
}
