package velero

import (
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/gamedayhq/gameday/scenarios"
)

var (
	_ scenarios.Needs   = (*Backup)(nil)
	_ scenarios.Lasting = (*Backup)(nil)
	_ scenarios.Needs   = (*Restore)(nil)
	_ scenarios.Lasting = (*Restore)(nil)
)

func (s Server) need(resource, name string, verbs ...string) scenarios.Need {
	return scenarios.Need{
		Cluster: s.Cluster, Namespace: s.namespace(), Group: velerov1.SchemeGroupVersion.Group, Resource: resource, Name: name, Verbs: verbs,
	}
}

// location is what finding out whether a storage location is usable takes.
func (s Server) location(name string) scenarios.Need {
	if name == "" {
		name = "default"
	}
	return s.need("backupstoragelocations", name, "get")
}

// Needs are those of the backup and of reading how it and its volumes came out. Velero itself does the rest with its own rights.
func (b *Backup) Needs() []scenarios.Need {
	return []scenarios.Need{
		b.location(b.StorageLocation), b.need("backups", "", "create", "list", "watch"), b.need("podvolumebackups", "", "list"),
	}
}

// Lasts says how long the backup stays.
func (b *Backup) Lasts() string {
	ttl := b.TTL.D()
	if ttl == 0 {
		ttl = defaultTTL
	}
	return "the backup stays until Velero deletes it, after " + ttl.String()
}

// Needs are those of the restore, of its backup, and of reading how its volumes came out.
func (r *Restore) Needs() []scenarios.Need {
	return []scenarios.Need{
		r.location(r.StorageLocation), r.need("backups", "", scenarios.Reads()...),
		r.need("restores", "", "create", "list", "watch"), r.need("podvolumerestores", "", "list"),
	}
}

// Lasts says that what was restored stays.
func (r *Restore) Lasts() string { return "what is restored stays" }
