package main

import (
	"context"
	"fmt"
	"time"

	"unioncard/card"
	"unioncard/card/personal"
)

const personalUsage = `
  personal status                               keys, and how many members each of them keeps
  personal rewrap --reason WHY                  wrap the data keys with the active key of the ring "personal":
                                                after keyring rotate personal and a SIGHUP to every node
  personal rotate [--suite aes|sm] --reason WHY new data keys; every member is sealed and indexed anew, in
                                                batches, with the service running; goes on where it was broken off
`

// runPersonal keeps the keys of members' personal data.
func runPersonal(ctx context.Context, p *program, args []string) error {
	t, err := openTool(ctx, p, args, map[string]string{"reason": "", "suite": ""}, true)
	if err != nil {
		return err
	}
	defer t.pool.Close()
	if len(t.args) != 1 {
		return wantOneOf(personalUsage)
	}
	v, err := openVault(ctx, t.pool, t.cfg, t.keyring, time.Now)
	if err != nil {
		return err
	}
	switch t.args[0] {
	case "status":
		return t.personalStatus(ctx, v)
	case "rewrap":
		who, why, err := t.by()
		if err != nil {
			return err
		}
		n, err := v.Rewrap(ctx, who, why)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.stdout, "%d keys wrapped with key %d of the ring %q\n", n, t.keyring.Active(card.RingPersonal, time.Now()).ID, card.RingPersonal)
		return err
	case "rotate":
		return t.personalRotate(ctx, v)
	}
	return wantOneOf(personalUsage)
}

func (t *tool) personalStatus(ctx context.Context, v *personal.Vault) error {
	s, err := v.Status(ctx)
	if err != nil {
		return err
	}
	for _, k := range s.Keys {
		state := "older"
		switch {
		case k.InUse:
			state = "in use"
		case k.Retired:
			state = "retired"
		case k.Members == 0:
			state = "waiting"
		}
		if _, err := fmt.Fprintf(t.stdout, "key %d\t%s\t%s\tkek %d\t%s\t%d members\tmade %s\n",
			k.ID, k.Kind, k.Suite, k.KEK, state, k.Members, k.Made.In(beijing).Format(time.DateTime)); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(t.stdout, "%d members with personal data, %d of them with older keys\n", s.Members, s.Left)
	return err
}

func (t *tool) personalRotate(ctx context.Context, v *personal.Vault) error {
	who, why, err := t.by()
	if err != nil {
		return err
	}
	o := personal.RotateOptions{Actor: who, Reason: why}
	if t.own["suite"] != "" {
		if o.Suite, err = personal.SuiteNamed(t.own["suite"]); err != nil {
			return err
		}
	}
	began, said := time.Now(), time.Now()
	o.Progress = func(done int64) {
		if now := time.Now(); now.Sub(said) >= time.Second {
			said = now
			_, _ = fmt.Fprintf(t.stdout, "%d members sealed anew, %.0f a second\n", done, float64(done)/now.Sub(began).Seconds())
		}
	}
	if _, err := fmt.Fprintln(t.stdout, "new keys go to every node first, which takes some seconds; this may be broken off and run again at any time"); err != nil {
		return err
	}
	continued, err := v.Rotate(ctx, o)
	if err != nil {
		return err
	}
	if continued {
		_, err = fmt.Fprintln(t.stdout, "this finished a rotation begun before; run it again for new keys")
		if err != nil {
			return err
		}
	}
	return t.personalStatus(ctx, v)
}
