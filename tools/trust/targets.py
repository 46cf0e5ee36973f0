"""Everything that is fuzzed, by name."""

from tools.trust.file_targets import FILE_TARGETS
from tools.trust.image_targets import IMAGE_TARGETS
from tools.trust.launch_target import LAUNCH_TARGETS
from tools.trust.mask_targets import MASK_TARGETS
from tools.trust.setting_targets import SETTING_TARGETS

TARGETS = {target.name: target for target in (*IMAGE_TARGETS, *MASK_TARGETS, *FILE_TARGETS,
                                              *SETTING_TARGETS, *LAUNCH_TARGETS)}
