import { runCommandLine } from './program';
import { answerToSupervisor } from './supervised';

/** The process that `p2p` starts for commands that compute. */
answerToSupervisor();
runCommandLine(process.argv);
