package pglocal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

var (
	// ErrNoUser: started as root, and there is no unprivileged user to run PostgreSQL as.
	ErrNoUser = errors.New("no unprivileged user for PostgreSQL")
	// ErrUnreachable: the user that runs PostgreSQL cannot enter the data directory.
	ErrUnreachable = errors.New("data directory cannot be reached")
)

// account is the operating system user that PostgreSQL runs as.
type account struct {
	name     string
	uid, gid int
	// switched: we are root and have to become this user.
	switched bool
}

// fallbackUsers are tried in order when we are root: the one Debian's package
// makes, then our own.
var fallbackUsers = []string{"postgres", "unioncard"}

// chooseAccount decides who runs PostgreSQL: ourselves unless we are root (it
// refuses to run as root), then the owner of the existing data, else the first
// of the fallback users that exists.
func chooseAccount(pgdata string) (account, error) {
	owner := -1
	if st, err := os.Stat(pgdata); err == nil {
		owner = int(st.Sys().(*syscall.Stat_t).Uid)
	}
	euid := os.Geteuid()
	if euid != 0 {
		if owner >= 0 && owner != euid {
			return account{}, fmt.Errorf("%s belongs to uid %d and this program runs as uid %d: run it as root or as the owner", pgdata, owner, euid)
		}
		u, err := user.LookupId(strconv.Itoa(euid))
		if err != nil {
			return account{}, fmt.Errorf("%w: PostgreSQL needs a named user: %w", ErrNoUser, err)
		}
		return account{name: u.Username, uid: euid, gid: os.Getegid()}, nil
	}
	if owner == 0 {
		return account{}, fmt.Errorf("%s belongs to root, and PostgreSQL does not run as root: give it away with: chown -R postgres: %s", pgdata, pgdata)
	}
	if owner > 0 {
		u, err := user.LookupId(strconv.Itoa(owner))
		if err != nil {
			return account{}, fmt.Errorf("%w: the data's owner is unknown here: %w", ErrNoUser, err)
		}
		return switchTo(u)
	}
	for _, name := range fallbackUsers {
		if u, err := user.Lookup(name); err == nil {
			return switchTo(u)
		}
	}
	return account{}, fmt.Errorf("%w: PostgreSQL does not run as root; make a user with: useradd --system --no-create-home --shell /usr/sbin/nologin unioncard", ErrNoUser)
}

func switchTo(u *user.User) (account, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return account{}, fmt.Errorf("%w: %s: %w", ErrNoUser, u.Username, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return account{}, fmt.Errorf("%w: %s: %w", ErrNoUser, u.Username, err)
	}
	return account{name: u.Username, uid: uid, gid: gid, switched: true}, nil
}

// procAttr makes a child run as the account, in a process group of its own: a
// Ctrl-C at the terminal must reach us, who drain first, and not PostgreSQL.
func (a account) procAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.switched {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// ownDir makes a directory that only the account may enter (and root).
func (a account) ownDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner := int(st.Sys().(*syscall.Stat_t).Uid)
	if !st.IsDir() || owner != os.Geteuid() && owner != a.uid {
		return fmt.Errorf("%s is not a directory of ours (uid %d)", dir, owner)
	}
	if a.switched {
		if err := os.Chown(dir, a.uid, a.gid); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o700)
}

// canEnter returns ErrUnreachable, naming the first closed directory on the way,
// if the account cannot enter dir. It tries as the account, which sees mode
// bits, ACLs and mount options alike.
func (a account) canEnter(dir string) error {
	if !a.switched {
		return nil
	}
	try := func(d string) error {
		cmd := exec.Command("/bin/sh", "-c", ":")
		cmd.Dir, cmd.SysProcAttr = d, a.procAttr()
		return cmd.Run()
	}
	if try(dir) == nil {
		return nil
	}
	path := "/"
	for _, part := range strings.Split(filepath.Clean(dir), "/") {
		path = filepath.Join(path, part)
		if err := try(path); err != nil {
			return fmt.Errorf("%w: user %s cannot enter %s (%w); open the way with: chmod o+x %s, or choose another place with --data",
				ErrUnreachable, a.name, path, err, path)
		}
	}
	return fmt.Errorf("%w: user %s cannot enter %s", ErrUnreachable, a.name, dir)
}
