from netc.api.definition import Definition as Definition
from netc.api.definition import loads as loads
from netc.api.history import History as History
from netc.api.notebook import draw as draw
from netc.api.notebook import predict as predict
from netc.api.notebook import summary as summary
from netc.api.planning import check as check
from netc.api.planning import load as load
from netc.api.planning import plan as plan
from netc.api.pool import Pool as Pool
from netc.api.search.searching import search as search
from netc.api.session import Net as Net
from netc.api.session import Solver as Solver
from netc.errors import NetError as NetError
from netc.plan.model import Plan as Plan
from netc.solve.events import Events as Events

__version__: str
__all__: list[str]
_HOME: dict[str, str]
