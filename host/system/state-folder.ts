/** The folder of what the tools keep on this machine; the variable sets another. */
export const stateFolder = (): string => process.env.DATTO_STATE ?? '/var/lib/dattobd';
