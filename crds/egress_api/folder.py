"""Where a task's objects are: one folder below the store's URL, the same for whoever writes and whoever reads.

In: the template that an administrator sets, and the task. Out: the folder's path. Pure.
"""

from typing import Annotated, Final

from pydantic import AfterValidator

FOLDER_TOKENS: Final = ("app_id", "task_id", "region", "namespace")


def check_folder(folder: str) -> str:
    """Return a template without slashes around it.

    Raises:
        ValueError: when it can't be filled in, or tasks would meet.
    """
    try:
        folder.format(**dict.fromkeys(FOLDER_TOKENS, "x"))
    except (KeyError, ValueError, IndexError) as error:
        known = ", ".join(f"{{{token}}}" for token in FOLDER_TOKENS)
        raise ValueError(f"{folder!r} can't be filled in ({error}); known are {known}") from error
    if "{task_id}" not in folder:
        raise ValueError("must contain {task_id}, so that recordings of different tasks never meet")
    return folder.strip("/")


FolderTemplate = Annotated[str, AfterValidator(check_folder)]


def task_folder(template: str, *, app_id: str, task_id: str, region: str, namespace: str) -> str:
    """Return the folder of a task below the store's URL, without slashes around it."""
    return template.format(app_id=app_id, task_id=task_id, region=region, namespace=namespace).strip("/")
