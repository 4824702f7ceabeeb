#!/usr/bin/env node
import { runCommandLine, supervisedCommand } from './program';
import { supervise } from './supervise';

const aftermath = supervisedCommand(process.argv);
if (aftermath === undefined) runCommandLine(process.argv);
else
  supervise(process.argv.slice(2), aftermath).then((code) => {
    process.exitCode = code;
  });
