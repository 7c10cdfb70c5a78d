"""Whatever people do between publishing and switching: a version comes back as it was, and nothing is lost."""

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.integration.worker.scenes import Scene
from tests.integration.worker.version_jobs import (
    Document,
    make_label,
    publish,
    save,
    switch,
    working_state,
)

from fourpoint_core.domain.history import Action
from fourpoint_core.domain.versions import Change
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store.models import Label, Sample, Version
from fourpoint_core.store.queries import annotations, labels, samples, tallies, trash, versions
from fourpoint_core.store.queries.version_comparison import (
    Counts,
    Sides,
    count_changes,
    label_changes,
    list_changes,
)
from fourpoint_core.store.session import unit_of_work

State = tuple[dict[UUID, Document], dict[UUID, tuple[str, str]]]
_names = count()


@dataclass
class Story:
    """A dataset, and all that was published of it, as the model remembers it."""

    scene: Scene
    published: list[tuple[Version, State]] = field(default_factory=list)

    def say(self, chance: st.DataObject) -> None:
        """Somebody does something."""
        documents, names = working_state(self.scene)
        deeds = [self.upload, self.name_a_label]
        if documents:
            deeds += [*[self.save] * 6, self.undo, self.throw_away, self.purge, *[self.publish] * 3]
        if names:
            deeds += [self.rename, self.forget_a_label]
        if self.published:
            deeds += [self.switch] * 4
        chance.draw(st.sampled_from(deeds))(chance)

    def upload(self, chance: st.DataObject) -> None:
        self.scene.sample(name=f"{next(_names)}.png")

    def name_a_label(self, chance: st.DataObject) -> None:
        make_label(self.scene, f"label {chance.draw(st.integers(1, 4))}")

    def save(self, chance: st.DataObject) -> None:
        documents, names = working_state(self.scene)
        sample_id = chance.draw(st.sampled_from(sorted(documents)))
        document = deepcopy(documents[sample_id])
        kept = {key: said for key, said in document.items() if chance.draw(st.booleans())}
        label_ids = sorted(names) or [make_label(self.scene, "label 1")]
        for key in kept:
            kept[key] = (chance.draw(st.sampled_from(label_ids)), chance.draw(st.booleans()))
        for _ in range(chance.draw(st.integers(0, 2))):
            kept[new_id()] = (chance.draw(st.sampled_from(label_ids)), False)
        save(self.scene, sample_id, kept)

    def undo(self, chance: st.DataObject) -> None:
        documents, names = working_state(self.scene)
        sample_id = chance.draw(st.sampled_from(sorted(documents)))
        with unit_of_work(self.scene.sessions) as session:
            sample = samples.get_sample(session, sample_id, lock=True)
            target = chance.draw(st.integers(0, sample.revision))
            then = annotations.rows_at(session, sample_id, target).values()
            if {row.label_id for row in then} <= set(names):
                annotations.show_revision(
                    session, sample, target, Action.RESTORE, LOCAL_USER_ID, restored_from=target
                )

    def throw_away(self, chance: st.DataObject) -> None:
        with unit_of_work(self.scene.sessions) as session:
            trash.throw_away(session, self._some_sample(chance), new_id(), LOCAL_USER_ID, 1)

    def purge(self, chance: st.DataObject) -> None:
        with unit_of_work(self.scene.sessions) as session:
            trash.purge(session, self._some_sample(chance), 1, condemned_by=new_id())

    def rename(self, chance: st.DataObject) -> None:
        with unit_of_work(self.scene.sessions) as session:
            found = labels.list_labels(session, self.scene.dataset_id)
            label = chance.draw(st.sampled_from(found))
            colour = chance.draw(st.sampled_from(["#111111", "#222222"]))
            free = next(f"renamed {n}" for n in count() if f"renamed {n}" not in {x.name for x in found})
            labels.change_label(session, label, name=free, colour=colour, shortcut=label.shortcut)

    def forget_a_label(self, chance: st.DataObject) -> None:
        """Delete a label that no document shows; those that one shows are deleted by a job."""
        documents, names = working_state(self.scene)
        shown = {label_id for document in documents.values() for label_id, _ in document.values()}
        for label_id in sorted(set(names) - shown)[:1]:
            with unit_of_work(self.scene.sessions) as session:
                labels.mark_deleted(session, session.get_one(Label, label_id))

    def publish(self, chance: st.DataObject) -> None:
        state = working_state(self.scene)
        self.published.append((publish(self.scene), state))
        self.check_current(self.published[-1][0])

    def switch(self, chance: st.DataObject) -> None:
        """Make any version current; the state before becomes a version where it is none."""
        before = working_state(self.scene)
        version, state = chance.draw(st.sampled_from(self.published))
        job = switch(self.scene, version.id)
        assert job.result is not None
        saved = job.result["published_version_id"]
        if saved is not None:
            with unit_of_work(self.scene.sessions) as session:
                made = versions.get_published(session, self.scene.dataset_id, UUID(saved))
            self.published.append((made, before))
        else:
            assert before in [known for _, known in self.published], "a state that nobody has kept is gone"
        documents, names = working_state(self.scene)
        gone = state[0].keys() - documents.keys()
        assert len(gone) == job.result["samples_gone"]
        assert (documents, names) == (without(state[0], gone), state[1])
        if not gone:
            self.check_current(version)

    def check_current(self, version: Version) -> None:
        with unit_of_work(self.scene.sessions) as session:
            standing = versions.standing(session, self.scene.dataset_id)
        assert standing.current is not None and standing.current.id == version.id
        assert not standing.has_changes

    def check_comparisons(self, chance: st.DataObject) -> None:
        """Any two states differ in what the model says; the working state is one of them."""
        states: list[tuple[Version | None, State]] = [*self.published, (None, working_state(self.scene))]
        before = chance.draw(st.sampled_from([*self.published, None]))
        after = chance.draw(st.sampled_from(states))
        sides = Sides(self.scene.dataset_id, None if before is None else before[0], after[0])
        then: State = ({}, {}) if before is None else before[1]
        with unit_of_work(self.scene.sessions) as session:
            if after[0] is None and then != after[1]:
                current = sides.before and sides.before.id
                assert versions.has_changes_since(session, self.scene.dataset_id, current)
            found, place = {}, None
            while True:
                page, place = list_changes(session, sides, None, place, 2)
                found |= {one.sample_id: (one.change, one.annotations) for one in page}
                if place is None:
                    break
            totals = count_changes(session, sides)
            names = {
                one.before.id if one.before else one.after.id for one in label_changes(session, sides) if one
            }
        assert found == differences(then[0], after[1][0])
        assert totals == summed(found)
        assert names == {
            key for key in then[1].keys() | after[1][1] if then[1].get(key) != after[1][1].get(key)
        }

    def _some_sample(self, chance: st.DataObject) -> object:
        documents, _ = working_state(self.scene)
        return select(Sample.id).where(Sample.id == chance.draw(st.sampled_from(sorted(documents))))


def without(documents: dict[UUID, Document], gone: set[UUID]) -> dict[UUID, Document]:
    return {key: document for key, document in documents.items() if key not in gone}


def differences(before: dict[UUID, Document], after: dict[UUID, Document]) -> dict[UUID, tuple[Change, Counts]]:
    found = {}
    for key in before.keys() | after.keys():
        then, now = before.get(key, {}), after.get(key, {})
        counts = Counts(
            added=len(now.keys() - then.keys()),
            changed=sum(then[one] != now[one] for one in then.keys() & now.keys()),
            removed=len(then.keys() - now.keys()),
        )
        if key not in before:
            found[key] = (Change.ADDED, counts)
        elif key not in after:
            found[key] = (Change.REMOVED, counts)
        elif counts != Counts():
            found[key] = (Change.CHANGED, counts)
    return found


def summed(found: dict[UUID, tuple[Change, Counts]]) -> tuple[Counts, Counts]:
    kinds = [change for change, _ in found.values()]
    return (
        Counts(*(kinds.count(change) for change in Change)),
        Counts(*(sum(getattr(counts, change) for _, counts in found.values()) for change in Change)),
    )


def test_a_version_comes_back_as_it_was_whatever_happened_since(scene: Scene) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(chance: st.DataObject) -> None:
        story = Story(Scene(scene.sessions, scene.store, scene.redis))
        for _ in range(2):
            story.upload(chance)
        for _ in range(chance.draw(st.integers(10, 24))):
            story.say(chance)
        story.check_comparisons(chance)
        with unit_of_work(scene.sessions) as session:
            assert tallies.mend(session, story.scene.dataset_id) == []

    check()
