# The module as a gallery would take it. './build.sh test' and './build.ps1 Test' run every Pester file against that package.
BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $noGallery = -not (Get-Module -ListAvailable Microsoft.PowerShell.PSResourceGet)
    $version = (Import-PowerShellDataFile $ModulePath).ModuleVersion
    $noPackage = -not (Test-Path (Join-Path $RepositoryRoot 'artifacts' 'package' "WalRus.$version.nupkg"))
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
    $manifest = Import-PowerShellDataFile $ModulePath
    $package = Join-Path $RepositoryRoot 'artifacts' 'package' "WalRus.$($manifest.ModuleVersion).nupkg"
}

Describe 'The module''s folder' {
    It 'has what a gallery asks for in its manifest' {
        $tested = Test-ModuleManifest $ModulePath
        $tested.PowerShellVersion | Should -Be '7.4'
        $tested.Description | Should -Not -BeNullOrEmpty
        $tested.Author | Should -Not -BeNullOrEmpty
        $tested.LicenseUri | Should -Not -BeNullOrEmpty
        $tested.ReleaseNotes | Should -Not -BeNullOrEmpty
        $tested.Tags | Should -Contain 'PSEdition_Core'
    }

    It 'exports by name only, and each name it declares' {
        foreach ($kind in 'CmdletsToExport', 'FunctionsToExport', 'AliasesToExport', 'VariablesToExport') {
            $manifest[$kind] | Should -Not -Contain '*'
        }
        $declared = $manifest.CmdletsToExport
        $declared | Sort-Object | Should -Be $declared -Because 'one a line, alphabetical'
        (Get-Command -Module WalRus).Name | Sort-Object | Should -Be $declared
    }

    It 'carries its licence and changes, and nothing that only a build needs' {
        Join-Path $ModuleFolder LICENSE | Should -Exist
        Join-Path $ModuleFolder CHANGELOG.md | Should -Exist
        Get-ChildItem $ModuleFolder -Recurse -Include *.deps.json, *.nuspec, System.Management.Automation.dll | Should -BeNullOrEmpty
    }
}

Describe 'The package' -Skip:$noPackage {
    It 'names each command in its tags, so that Find-PSResource -CommandName finds it' {
        $zip = [IO.Compression.ZipFile]::OpenRead($package)
        try {
            $nuspec = [xml] [IO.StreamReader]::new($zip.GetEntry('WalRus.nuspec').Open()).ReadToEnd()
            $zip.Entries.FullName | Should -Contain 'WalRus.psd1'
        }
        finally { $zip.Dispose() }
        $nuspec.package.metadata.version | Should -Be $manifest.ModuleVersion
        $tags = $nuspec.package.metadata.tags -split ' '
        foreach ($name in $manifest.CmdletsToExport) { $tags | Should -Contain "PSCommand_$name" }
        $tags | Should -Contain 'PSModule'
    }

    It 'is published to a gallery and installed from it' -Skip:$noGallery {
        $gallery = Join-Path $TestDrive gallery
        $null = New-Item -ItemType Directory $gallery
        Register-PSResourceRepository -Name walrus-test -Uri $gallery -Trusted
        try {
            Publish-PSResource -NupkgPath $package -Repository walrus-test
            (Find-PSResource WalRus -Repository walrus-test).Version | Should -Be $manifest.ModuleVersion
            Save-PSResource WalRus -Repository walrus-test -Path $TestDrive
            $saved = Join-Path $TestDrive WalRus $manifest.ModuleVersion WalRus.psd1
            $ran = Invoke-Pwsh '-Command', "Import-Module '$saved'; (Get-Command -Module WalRus).Count"
            $ran.Errors | Should -BeNullOrEmpty
            [int] $ran.Output | Should -Be $manifest.CmdletsToExport.Count
        }
        finally { Unregister-PSResourceRepository walrus-test }
    }
}
