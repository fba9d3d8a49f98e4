// SPDX-License-Identifier: GPL-3.0-or-later
import Commands

CommandTool.main()
