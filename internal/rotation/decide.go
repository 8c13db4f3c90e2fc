package rotation

// What New does.
type NewAction string

const (
	// NewPut: put the pending version.
	NewPut NewAction = "put"
	// NewKeep: it exists, from an earlier attempt; it is kept, and so are its stages.
	NewKeep NewAction = "keep"
	// NewDone: it is current already.
	NewDone NewAction = "done"
)

// DecideNew decides from the versions that New saw. keep is how many versions the store holds (0: enough).
func DecideNew(p Plan, seen Versions, keep int) (NewAction, error) {
	if seen.Holder(Current) == p.Version {
		return NewDone, nil
	}
	if _, exists := seen.Find(p.Version); exists {
		return NewKeep, nil
	}
	if err := p.CheckBase(seen); err != nil {
		return "", err
	}
	if holder := seen.Holder(Pending); holder != "" && holder != p.Base && holder != p.StalePending {
		return "", Errorf(Conflict, "version %s of secret %s became pending while this rotation began: somebody else rotates it, or writes a value", holder, p.Secret)
	}
	return NewPut, seen.CheckRoom(keep, p.Restore)
}

// DecideSet says whether Set may change the target: not if the version is current already. It is asked under the lock, because
// only then can no other attempt act between the answer and the change.
func DecideSet(p Plan, seen Versions) (act bool, err error) {
	if seen.Holder(Current) == p.Version {
		return false, nil
	}
	return true, p.checkOurs(seen)
}

// What End does.
type EndAction string

const (
	// EndMove: move the current stage.
	EndMove EndAction = "move"
	// EndFinish: it is moved; what is left is the pending stage and the proof.
	EndFinish EndAction = "finish"
)

// DecideEnd decides from the versions that End saw; Set and Test ask it for their first look. With one account, a pending stage
// that was taken off or moved does not stop the rotation: if the password is changed, the only way is forward.
func DecideEnd(p Plan, seen Versions) (EndAction, error) {
	if seen.Holder(Current) == p.Version {
		return EndFinish, nil
	}
	if _, exists := seen.Find(p.Version); p.Strategy == SingleUser && exists {
		return EndMove, p.CheckBase(seen)
	}
	return EndMove, p.checkOurs(seen)
}

// What Rollback does.
type RollbackAction string

const (
	// RollbackForward: the version is current; there is no way back, only to the end.
	RollbackForward RollbackAction = "forward"
	// RollbackNothing: nothing was written and nothing was set.
	RollbackNothing RollbackAction = "nothing"
	// RollbackStage: the target was never touched; only the pending stage is taken off.
	RollbackStage RollbackAction = "stage"
	// RollbackTarget: the target is restored under the lock, then the pending stage is taken off.
	RollbackTarget RollbackAction = "target"
	// RollbackProve: the pending stage is off already, so nothing may be changed any more; what is left is the proof.
	RollbackProve RollbackAction = "prove"
)

// DecideRollback decides from the versions that Rollback saw. setStarted says whether Set was ever asked for.
func DecideRollback(p Plan, seen Versions, setStarted bool) (RollbackAction, error) {
	if seen.Holder(Current) == p.Version {
		return RollbackForward, nil
	}
	_, exists := seen.Find(p.Version)
	if !exists && !setStarted {
		return RollbackNothing, nil
	}
	if err := p.CheckBase(seen); err != nil {
		return "", err
	}
	switch {
	case !exists:
		return "", Errorf(Conflict, "version %s of secret %s is gone: somebody deleted it, or wrote many versions meanwhile", p.Version, p.Secret)
	case seen.Holder(Pending) != p.Version:
		return RollbackProve, nil
	case !setStarted:
		return RollbackStage, nil
	}
	return RollbackTarget, nil
}

// Answer is what a login with a credential was told.
type Answer string

const (
	// Accepted: logged in, or turned away for another reason than the password (1226, 1862, 3118, 4151).
	Accepted Answer = "accepted"
	// Refused by the server: error 1045, and nothing else.
	RefusedLogin Answer = "refused"
	// Unknown: anything else. Nothing is ever changed on an unknown answer.
	Unknown Answer = "unknown"
)

// What Rollback does with the standby account.
type StandbyAction string

const (
	// StandbyLeave: it is as it was.
	StandbyLeave StandbyAction = "leave"
	// StandbyDrop: this rotation created it.
	StandbyDrop StandbyAction = "drop"
	// StandbyRestore: it gets the restore version's password back.
	StandbyRestore StandbyAction = "restore"
	// StandbyDisable: no version holds its former password; it gets one that is kept nowhere (RetiredPassword).
	StandbyDisable StandbyAction = "disable"
)

// DecideStandby decides what Rollback does with the standby account of a dual-account rotation. restore and pending are
// what logins with the restore version and with this rotation's version were told; unknown answers lead to an error.
func DecideStandby(p Plan, exists bool, restore, pending Answer) (StandbyAction, error) {
	gone := Errorf(Conflict, "account %s was dropped by somebody else while this rotation ran", p.Standby)
	foreign := Errorf(Conflict, "account %s takes neither the password that it had before nor this rotation's: somebody else changed it", p.Standby)
	unknown := Errorf(Retryable, "could not find out which password account %s has", p.Standby)
	switch {
	case !exists && !p.StandbyExists:
		return StandbyLeave, nil
	case !exists:
		return "", gone
	case !p.StandbyExists || p.Restore == "":
		switch pending {
		case Accepted:
			if p.StandbyExists {
				return StandbyDisable, nil
			}
			return StandbyDrop, nil
		case RefusedLogin:
			if p.StandbyExists {
				return StandbyLeave, nil
			}
			return "", Errorf(Conflict, "account %s appeared while this rotation ran, and this rotation's password does not log in to it: "+
				"somebody else created it", p.Standby)
		}
		return "", unknown
	case restore == Accepted || pending == Accepted:
		// Also where restore logs in already: the account may have several hosts, and only one was asked.
		return StandbyRestore, nil
	case restore == RefusedLogin && pending == RefusedLogin:
		return "", foreign
	}
	return "", unknown
}

// CheckBase is an error unless the base version is current.
func (p Plan) CheckBase(seen Versions) error {
	switch holder := seen.Holder(Current); holder {
	case p.Base:
		return nil
	case "":
		return Errorf(Retryable, "no version of secret %s is current in the store's answer", p.Secret)
	default:
		return Errorf(Conflict, "version %s of secret %s is current, not %s as when this rotation began: somebody else moved the stage or wrote a value",
			holder, p.Secret, p.Base)
	}
}

// checkOurs is the condition under which a step may change anything: current is the base version, pending is on ours.
func (p Plan) checkOurs(seen Versions) error {
	if err := p.CheckBase(seen); err != nil {
		return err
	}
	if _, exists := seen.Find(p.Version); !exists {
		return Errorf(Retryable, "version %s of secret %s is not visible yet", p.Version, p.Secret)
	}
	switch holder := seen.Holder(Pending); holder {
	case p.Version:
		return nil
	case "":
		if p.RollbackBegun {
			return Errorf(Conflict, "the pending stage is off version %s of secret %s: the rollback that this rotation has begun takes it off, and nothing "+
				"puts it back", p.Version, p.Secret)
		}
		return Errorf(Conflict, "the pending stage was taken off version %s of secret %s by somebody else", p.Version, p.Secret)
	default:
		return Errorf(Conflict, "the pending stage of secret %s was moved from version %s to %s by somebody else", p.Secret, p.Version, holder)
	}
}
