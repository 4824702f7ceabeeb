export const { version } = require('../../../package.json') as { version: string };
