"""All guards, by room. A guard without a test that goes red when it is removed does not exist.

Each names what takes it away and the directed test that must notice: random soak alone does not (in a trial a fence by
state alone went unnoticed). Guards that no test can tell from their absence stand in the docstring of their table.
"""

from tests.mutants.guard import Guard
from tests.mutants.guards_choosing import CHOOSING
from tests.mutants.guards_client import LLM_CLIENT
from tests.mutants.guards_llm import LLM
from tests.mutants.guards_operating import OPERATING
from tests.mutants.guards_parting import PARTING
from tests.mutants.guards_queue import QUEUE
from tests.mutants.guards_rescue import DYING_TOGETHER
from tests.mutants.guards_rule import RULE_GUARDS
from tests.mutants.guards_settle import SETTLING
from tests.mutants.guards_worker import WORKER

GUARDS: tuple[Guard, ...] = (
    *QUEUE, *CHOOSING, *SETTLING, *WORKER, *PARTING, *RULE_GUARDS, *DYING_TOGETHER, *LLM, *LLM_CLIENT, *OPERATING,
)  # fmt: skip
