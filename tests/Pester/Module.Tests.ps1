BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'The WalRus module' {
    It 'exports its cmdlets and nothing else' {
        $module = Get-Module WalRus
        $module.ExportedCmdlets.Keys | Should -Contain 'Push-WalSegment'
        $module.ExportedFunctions.Count + $module.ExportedVariables.Count + $module.ExportedAliases.Count | Should -Be 0
        $declared = (Import-PowerShellDataFile $ModulePath).CmdletsToExport
        $module.ExportedCmdlets.Keys | Where-Object { $_ -notin $declared } | Should -BeNullOrEmpty
    }

    It 'uses approved verbs and singular nouns, and every change can be tried with -WhatIf' {
        foreach ($command in Get-Command -Module WalRus) {
            (Get-Verb).Verb | Should -Contain $command.Verb
            $command.OutputType | Should -Not -BeNullOrEmpty -Because "$command must say what it emits"
            if ($command.Verb -notin 'Get', 'Test', 'Find', 'Measure' -and $command.Noun -notin 'WalRusConfiguration', 'PgRetentionPolicy') { $command.Parameters.Keys | Should -Contain 'WhatIf' }
        }
    }

    It 'has a view for what each cmdlet emits, and lists every file of views and types' {
        foreach ($command in Get-Command -Module WalRus) {
            foreach ($type in $command.OutputType.Name | Where-Object { $_ -like 'WalRus.*' }) {
                Get-FormatData -TypeName $type -PowerShellVersion $PSVersionTable.PSVersion | Should -Not -BeNullOrEmpty -Because $type
            }
        }
        $manifest = Import-PowerShellDataFile $ModulePath
        foreach ($kind in 'Format', 'Types') {
            Get-ChildItem (Join-Path $ModuleFolder $kind) -Filter *.ps1xml | ForEach-Object { "$kind/$($_.Name)" } |
                Should -Be ($manifest["$($kind)sToProcess"] ?? $manifest["$($kind)ToProcess"])
        }
    }

    It 'takes -Configuration, -ConfigFile and -Setting wherever an archive is used' {
        foreach ($command in Get-Command -Module WalRus | Where-Object Noun -NotIn 'WalRusConfiguration', 'PgRetentionPolicy') {
            $command.Parameters.Keys | Should -Contain 'Configuration' -Because $command.Name
        }
    }

    It 'has a valid manifest' {
        (Test-ModuleManifest $ModulePath).Version | Should -BeGreaterOrEqual ([version] '0.1.0')
    }

    It 'is found by name, and its cmdlets are imported when they are first called' {
        $path = "$(Split-Path $ModuleFolder)$([IO.Path]::PathSeparator)$env:PSModulePath"
        $ran = Invoke-Pwsh '-Command', '(Get-Command Push-WalSegment).Source' -Environment @{ PSModulePath = $path }
        $ran.Output.Trim() | Should -Be 'WalRus'
    }

    It 'is imported, removed and imported again in one session' {
        $ran = Invoke-Pwsh '-Command', @"
`$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest
1..3 | ForEach-Object {
    Import-Module '$ModulePath'
    (Get-Command -Module WalRus).Count -ge 3
    Get-BackupList -Setting @{ WALG_FILE_PREFIX = '$TestDrive' }
    Remove-Module WalRus
    `$null -eq (Get-Command Get-BackupList -ErrorAction Ignore)
}
"@ -Environment @{ PSModulePath = '' }
        $ran.Errors | Should -BeNullOrEmpty
        $ran.Output.Trim() -split '\s+' | Should -Be (@('True') * 6)
    }

    It 'is imported by several runspaces at once' {
        1..8 | ForEach-Object -ThrottleLimit 8 -Parallel {
            Import-Module $using:ModulePath
            (Get-Command -Module WalRus).Count
        } | Select-Object -Unique | Should -HaveCount 1
    }

    Context 'beside other modules' {
        It 'puts nothing but its loader into the session''s load context' {
            $null = Get-BackupList -Setting (New-FolderArchive)
            $ours = Get-ChildItem (Join-Path $ModuleFolder 'bin') -Filter *.dll | ForEach-Object BaseName
            $shared = [Runtime.Loader.AssemblyLoadContext]::Default.Assemblies | ForEach-Object { $_.GetName().Name } | Where-Object { $_ -in $ours }
            $shared | Should -Be 'WalRus.PowerShell.Loader'
        }

        It 'works with its own AWSSDK.Core when another one is loaded first, and leaves that one alone' {
            $stub = Join-Path $TestDrive 'AWSSDK.Core.dll'
            Add-Type -TypeDefinition 'namespace Amazon { public static class Stub { public static string Who() => "the other module"; } }' -OutputAssembly $stub
            $segment = New-WalSegment (Join-Path $TestDrive 'wal')
            $archive = New-FolderArchive
            $ran = Invoke-Pwsh '-Command', @"
`$ErrorActionPreference = 'Stop'
Add-Type -LiteralPath '$stub'
Import-Module '$ModulePath'
(Push-WalSegment '$segment' -Setting @{ WALG_FILE_PREFIX = '$($archive.WALG_FILE_PREFIX)' }).State
try { `$null = Get-BackupList -Setting @{ WALG_S3_PREFIX = 's3://walrus-nowhere/x'; AWS_ENDPOINT = 'http://127.0.0.1:1'; AWS_REGION = 'us-east-1'; AWS_ACCESS_KEY_ID = 'x'; AWS_SECRET_ACCESS_KEY = 'x'; S3_MAX_RETRIES = 1 } -WarningAction Ignore }
catch { `$_.FullyQualifiedErrorId }
[Amazon.Stub]::Who()
"@
            $ran.Errors | Should -BeNullOrEmpty
            $lines = $ran.Output.Trim() -split "`r?`n"
            $lines[0] | Should -Be 'Uploaded'
            # The store cannot be reached; a missing method or type would be another error.
            $lines[1] | Should -Match '^(Store|Setting)'
            $lines[2] | Should -Be 'the other module'
        }
    }
}
