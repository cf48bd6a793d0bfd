"""A job's own copy of what it is about: a definition of a catalog, or what was uploaded.

It is judged, built and installed from this copy alone: neither a refresh of its catalog nor an owner's edit
can put something else in its place on the way.
"""

from collections.abc import Mapping
from functools import partial

from homeport.catalog.archive import unpack_archive
from homeport.catalog.catalog import check_name, copy_definition, qualified_name
from homeport.catalog.definition import APP_FILE
from homeport.catalog.loaded import LoadedDefinition
from homeport.catalog.owner_settings import settle_settings
from homeport.catalog.reader import read_definition
from homeport.catalog.sources import put_in_place
from homeport.errors import InvalidInputError
from homeport.host.files import remove_tree
from homeport.plans import StepRun
from homeport.state import jobs
from homeport.state.catalogs import stored_folders
from homeport.state.uploads import remove_upload, upload_path
from workers.operation import RunningJob
from workers.tools import Tools


class OwnCopy:
    """The copy of one job; its folder is there once all of it is."""

    def __init__(self, tools: Tools, running: RunningJob) -> None:
        parameters = running.job.parameters
        self.upload: str | None = parameters.get("upload")
        self.name = str(parameters.get("definition") or parameters.get("name")).rpartition("/")[2]
        self.settings: Mapping[str, str] = parameters.get("settings") or {}
        # not in `builds_dir`, where a build removes whatever is not a running build's
        self._work_dir = tools.settings.state_dir / "unpacked"
        self.folder = self._work_dir / running.job.id
        self._asked = str(parameters.get("definition"))
        if catalog := parameters.get("catalog"):
            self._asked = qualified_name(str(catalog), self.name)
        self._tools = tools

    def make(self, run: StepRun, *, max_bytes: int, max_files: int) -> None:
        """Copies or unpacks, where an earlier run of the step has not.

        Raises:
            NotFoundError: the catalog does not have it any more.
            ArchiveRefusedError: the upload is no archive that may be unpacked.
            InvalidInputError: the upload is gone.
            DefinitionInvalidError: the definition's folder cannot be copied.
            DiskFullError: there is no space for it.
        """
        if self.folder.exists():
            return
        self._work_dir.mkdir(mode=0o700, exist_ok=True)
        self._sweep()
        fresh = self._work_dir / f"{self.folder.name}.fresh"
        remove_tree(fresh, within=self._work_dir)
        settings = self._tools.settings
        if self.upload is None:
            copy_definition(partial(stored_folders, self._tools.database, settings), self._asked, fresh)
        else:
            archive = upload_path(settings.uploads_dir, self.upload)
            if not archive.is_file():
                raise _upload_gone()
            run.log("Unpacking the upload")
            unpack_archive(
                archive, fresh, max_bytes=max_bytes, max_files=max_files, spare_bytes=settings.spare_bytes
            )
        put_in_place(fresh, self.folder)

    def is_definition(self) -> bool:
        """Whether there is an app.yml in it."""
        return (self.folder / APP_FILE).exists()

    def read(self) -> LoadedDefinition:
        """The definition with what the owner set of its settings, read and judged again.

        Raises:
            DefinitionInvalidError: it is broken, or has another name.
            PolicyRefusedError: it asks for what is not allowed.
            InvalidInputError: a setting is unknown, missing or wrong.
        """
        loaded = read_definition(self.folder, settings=self.settings)
        check_name(loaded, self.name)
        settle_settings(loaded.definition, self.settings)
        return loaded

    def remove(self) -> None:
        """Removes it, also what a crash left half made; what is absent is no matter."""
        name = self.folder.name
        for folder in (self.folder, *self._work_dir.glob(f"{name}.*"), *self._work_dir.glob(f".{name}.*")):
            remove_tree(folder, within=self._work_dir)

    def remove_upload(self) -> None:
        """Removes what was sent, if anything was."""
        if self.upload is not None:
            remove_upload(self._tools.settings.uploads_dir, self.upload)

    def _sweep(self) -> None:
        """Removes what jobs left behind that could not even be undone."""
        for folder in self._work_dir.iterdir():
            job_id = folder.name.lstrip(".").partition(".")[0]
            with self._tools.database.read() as connection:
                job = jobs.find_job(connection, job_id)
            if job is None or job.state.is_terminal:
                remove_tree(folder, within=self._work_dir)


def _upload_gone() -> InvalidInputError:
    return InvalidInputError(
        "What was uploaded is gone.",
        why="It lay in the state folder, and something else has removed it.",
        remedy="Send it again.",
    )
