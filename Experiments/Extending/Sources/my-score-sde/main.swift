// SPDX-License-Identifier: GPL-3.0-or-later
import Commands
import MyKinds

// The whole command line, with kinds of one's own.
CommandTool.main(.mine)
