// SPDX-License-Identifier: GPL-3.0-or-later
import Commands
import MyKinds

// The whole command line, with kinds and a command of one's own.
CommandTool.main(.mine, commands: [Spread.self])
