package pglocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Roles of the private server. The service's own role owns its database and is
// no superuser, so that nothing said to the database can reach files or programs.
const (
	roleAdmin   = "postgres"
	roleService = "unioncard"
)

// initCluster makes a new data directory. It is built beside its place and
// renamed when complete, so that a start that was killed half-way leaves nothing
// that looks like data.
func initCluster(ctx context.Context, bin binaries, who account, pgdata string, sync bool) error {
	fresh := pgdata + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := who.ownDir(fresh); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + fresh, "--username=" + roleAdmin, "--encoding=UTF8", "--locale=C.UTF-8",
		"--data-checksums", "--auth-local=peer", "--auth-host=reject", "--no-instructions",
	}
	if !sync {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin.dir, "initdb"), args...)
	cmd.Dir, cmd.SysProcAttr = fresh, who.procAttr()
	cmd.Env = childEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, strings.TrimSpace(string(out)))
	}
	if err := os.Rename(fresh, pgdata); err != nil {
		return err
	}
	if !sync {
		return nil
	}
	return syncDir(filepath.Dir(pgdata))
}

// writeAccess says who may connect: over the socket only, and only root or the
// server's own user, whom the kernel names (peer). There is no password to keep.
func writeAccess(who account, self, pgdata string) error {
	hba := "# Written by unioncard at every start.\nlocal all all peer map=unioncard\n"
	var ident strings.Builder
	ident.WriteString("# Written by unioncard at every start.\n")
	seen := map[string]bool{}
	for _, system := range []string{"root", self, who.name} {
		if seen[system] {
			continue
		}
		seen[system] = true
		for _, role := range []string{roleAdmin, roleService} {
			fmt.Fprintf(&ident, "unioncard %q %s\n", system, role)
		}
	}
	for name, text := range map[string]string{"pg_hba.conf": hba, "pg_ident.conf": ident.String()} {
		path := filepath.Join(pgdata, name)
		// Removed first: the directory belongs to the server's user, and a
		// link put there must not make root write elsewhere.
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		if err == nil && who.switched {
			err = f.Chown(who.uid, who.gid)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// childEnv is what PostgreSQL's programs get to see: nothing of our own
// environment, which may hold secrets and PG* variables.
func childEnv() []string {
	return []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}
}
