"""Everything that other code must know about a task, one file per task.

A task NAME registers its ``TaskSpec`` in ``unvoiced/tasks/NAME.py``, which ``get_task`` imports.
"""

from unvoiced.tasks.spec import (
    TaskSpec,
    explain_no_starter,
    get_starter,
    get_task,
    import_object,
    list_tasks,
    locate_starter,
    register_task,
)

__all__ = [
    "TaskSpec",
    "explain_no_starter",
    "get_starter",
    "get_task",
    "import_object",
    "list_tasks",
    "locate_starter",
    "register_task",
]
