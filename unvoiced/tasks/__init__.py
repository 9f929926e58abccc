"""Everything that other code must know about a task, one file per task.

A task NAME registers its ``TaskSpec`` in ``unvoiced/tasks/NAME.py``, which ``get_task`` imports.
"""

from unvoiced.tasks.spec import TaskSpec, get_task, import_object, list_tasks, register_task

__all__ = ["TaskSpec", "get_task", "import_object", "list_tasks", "register_task"]
